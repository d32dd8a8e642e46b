"""Adapters, files, losses and optimizer steps: the numbers of the published code."""

from pathlib import Path

import pytest
import torch
from filling import filled
from toy_text_to_video import close, toy_scheduler, toy_unet, toy_vae

from dismo_core.motiondirector import (
    DualPathLoRA,
    StepDraws,
    dual_path_losses,
    find_adapter,
    single_frame_bypass,
)
from dismo_core.motiondirector.checkpointing import checkpoint_blocks
from dismo_core.text_to_video import decode_frames, encode_frames, invert_ddim, sample_ddim

TIMES = torch.tensor([981, 120])
FILES = Path(__file__).parents[1] / "goldens" / "motiondirector"


def filled_lora(unet, **options):
    lora = DualPathLoRA(unet, rank=4, **options)
    lora.load_state_dict({name: filled(name, value.shape) for name, value in lora.state_dict().items()})
    return lora


def run(unet, published, x=None):
    with torch.no_grad():
        return unet(published["x"] if x is None else x, TIMES, encoder_hidden_states=published["ctx"]).sample


@pytest.mark.parametrize(
    ("case", "count", "appearance", "motion"),
    [
        ("n1.appearance", 1, 1, 0),
        ("n1.motion", 1, 0, 1),
        ("n1.both", 1, 0.7, 1.3),
        ("n2.first", 2, [1, 0], 1),
        ("n2.second", 2, [0, 1], 1),
        ("n2.half", 2, 0.5, 0),
    ],
)
def test_the_adapted_unet(published, case, count, appearance, motion):
    unet = toy_unet()
    lora = filled_lora(unet, appearances=count)
    lora.set_scales(appearance=appearance, motion=motion)
    close(run(unet, published), published[f"adapted.{case}"])
    lora.remove()
    assert torch.equal(run(unet, published), run(toy_unet(), published))


@pytest.mark.parametrize("adapted", [False, True])
def test_a_single_frame(published, adapted):
    unet = toy_unet()
    if adapted:
        filled_lora(unet, appearances=0)  # what it changes is skipped
    with single_frame_bypass(unet):
        close(run(unet, published, published["x"][:, :, :1]), published["unet.single_frame"])
        assert torch.equal(run(unet, published), run(unet, published))
    assert (run(toy_unet(), published, published["x"][:, :, :1]) - published["unet.single_frame"]).abs().max() > 0.05


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("part", ["appearance", "motion"])
def test_the_order_of_a_file(published, count, part):
    tensors = filled_lora(toy_unet(), appearances=count).tensors(part)
    assert [list(tensor.shape) for tensor in tensors] == published[f"file.n{count}.{part}.shapes"].tolist()
    sums = torch.stack([tensor.double().sum() for tensor in tensors])
    torch.testing.assert_close(sums, published[f"file.n{count}.{part}.sums"], atol=1e-4, rtol=0)


def test_published_files_are_read(published):
    unet = toy_unet()
    lora = DualPathLoRA.from_files(unet, appearance=FILES / "n1" / "spatial", motion=FILES / "n1" / "temporal")
    lora.set_scales(appearance=0.7, motion=1.3)
    close(run(unet, published), published["adapted.n1.both"])
    lora.remove()
    lora = DualPathLoRA.from_files(unet, appearance=FILES / "n2")
    lora.set_scales(appearance=0.5)
    close(run(unet, published), published["adapted.n2.half"])


@pytest.mark.parametrize(("count", "part"), [(1, "appearance"), (1, "motion"), (2, "appearance")])
def test_our_list_files_equal_theirs_entry_by_entry(tmp_path, count, part):
    theirs = torch.load(find_adapter(FILES / f"n{count}", part), weights_only=True)
    filled_lora(toy_unet(), appearances=count).save(part, tmp_path / "ours.pt")
    ours = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert isinstance(ours, list) and all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


CASES = {
    "plain": {},
    "second": dict(count=2, appearance=1),
    "skip": dict(count=2),
    "images": dict(motion=False),
    "v": dict(prediction_type="v_prediction"),
    "offset": {},
    "mirror": dict(motion=False),
}


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_losses_and_their_gradients(published, case, checkpointed):
    given = {
        name.removeprefix(f"loss.{case}."): value
        for name, value in published.items()
        if name.startswith(f"loss.{case}.")
    }
    options = {"count": 1, "appearance": 0, "motion": True, **CASES[case]}
    unet = toy_unet()
    lora = filled_lora(unet, appearances=options["count"], motion=options["motion"])
    noise = given["noise"]
    if case == "offset":
        noise = noise + 0.1 * given["offset"]
    if case == "mirror":
        frame = published["pixels"][:, int(given["frame"])].flip(-1)
        encoded = encode_frames(toy_vae(), frame[:, None], noise=given["posterior"])
        close(encoded, given["mirror_latents"])
    draws = StepDraws(
        given["t"], noise, int(given.get("frame", 0)), int(given.get("anchor", 0)), case == "skip",
        given.get("mirror_latents"), given.get("mirror_noise"),
    )  # fmt: skip
    scheduler = toy_scheduler(prediction_type=options.get("prediction_type", "epsilon"))
    undo = checkpoint_blocks(unet, lora.remembered) if checkpointed else None
    losses = dual_path_losses(
        unet, lora, scheduler, published["latents"], published["ctx"][:1], draws, appearance=options["appearance"]
    )
    for part, loss in zip(("appearance", "motion"), losses, strict=True):
        if part not in given:
            assert loss is None
            continue
        close(loss, given[part], 2e-5)
        index = options["appearance"] if part == "appearance" else 0
        mine = lora.parameters_of(part, index)
        lora.zero_grad()
        loss.backward()
        if f"{part}_grad_norms" in given:
            close(torch.stack([p.grad.norm() for p in mine]), given[f"{part}_grad_norms"])
        touched = {id(p) for p in lora.parameters() if p.grad is not None and p.grad.any()}
        assert touched <= {id(p) for p in mine} and touched  # no gradient beyond its own adapter
    if undo is not None:
        undo()
        assert "forward" not in vars(unet.transformer_in)


@pytest.mark.parametrize("part", ["motion", "appearance"])
def test_three_optimizer_steps(published, part):
    unet = toy_unet()
    lora = filled_lora(unet, motion=part == "motion")
    mine = lora.parameters_of(part)
    optimizer = torch.optim.AdamW(mine, lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)
    for step in range(3):
        given = {name: published.get(f"train.{part}.{step}.{name}") for name in ("t", "noise", "frame", "anchor")}
        draws = StepDraws(
            given["t"], given["noise"], int(given["frame"] or 0), int(given["anchor"] or 0), part == "motion"
        )
        losses = dual_path_losses(unet, lora, toy_scheduler(), published["latents"], published["ctx"][:1], draws)
        loss = losses[part == "motion"]
        close(loss, published[f"train.{part}.losses"][step])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    close(mine[-2], published[f"train.{part}.last_up"])


def test_inversion_with_a_motion_adapter(published):
    unet = toy_unet()
    filled_lora(unet, appearances=0)
    found = invert_ddim(unet, toy_scheduler(), published["latents"], published["ctx"][:1], steps=4)
    close(found, published["inversion.with_motion4"])


def test_samples(published):
    unet = toy_unet()
    lora = filled_lora(unet)
    lora.set_scales(appearance=0.4, motion=1)
    start, text, negative = published["sample.start"], published["ctx"], published["negative"]
    guided = sample_ddim(unet, toy_scheduler(), start, text, negative, steps=4, guidance=12)
    close(guided, published["sample.cfg12"])
    plain = sample_ddim(unet, toy_scheduler(), start, text, steps=3, guidance=1)
    close(plain, published["sample.cfg1"])
    tiled = torch.cat(list(decode_frames(toy_vae(), plain)), dim=2)
    expected = published["sample.cfg1.tiled_uint8"]
    assert (tiled.int() - expected.int()).abs().max() <= 1 and (tiled != expected).float().mean() < 0.01
