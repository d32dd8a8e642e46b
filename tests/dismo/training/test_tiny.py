"""The recipe of dismo-tiny runs end to end on a few steps, goes on after a stop, and exports files that load."""

import shutil

import pytest
import torch

from dismo_core.cli.main import main
from dismo_core.dismo.models.extractor import MotionExtractor
from dismo_core.dismo.models.generator import FrameGenerator
from dismo_core.dismo.training.drawn_clips import ClipGenerator
from dismo_core.dismo.training.export import GENERATOR_FILE
from dismo_core.dismo.training.objective import MotionObjective, fit_readout, label_fit
from dismo_core.dismo.training.remap import remap
from dismo_core.dismo.training.start import start_extractor
from dismo_core.dismo.training.tiny import TinyRecipe, encoder_patches, joint_step
from dismo_core.dismo.weights import load_frame_generator, load_motion_extractor

ARGUMENTS = ["train", "tiny", "--no-compile", "--batch", "4", "--warmup-steps", "2", "--refine-steps", "1"]


def test_the_command_trains_resumes_and_exports(tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main([*ARGUMENTS, "--out", out, "--joint-steps", "1"]) == 0
    assert main([*ARGUMENTS, "--out", out, "--joint-steps", "2"]) == 0
    assert (tmp_path / "run" / "joint" / "checkpoint_0000002.pt").is_file()
    extractor = load_motion_extractor(tmp_path / "run" / "dismo_tiny_extractor.safetensors")
    generator = load_frame_generator(tmp_path / "run" / "dismo_tiny_generator.safetensors")
    assert generator.extractor_id == extractor.extractor_id
    more = [
        "train",
        "tiny",
        "--no-compile",
        "--warmup-steps",
        "0",
        "--anneal-steps",
        "0",
        "--joint-steps",
        "0",
        "--refine-steps",
        "0",
    ]
    assert main([*more, "--start", out, "--out", str(tmp_path / "more")]) == 0
    again = load_motion_extractor(tmp_path / "more" / "dismo_tiny_extractor.safetensors")
    assert again.extractor_id == extractor.extractor_id
    assert main([*ARGUMENTS, "--out", out, "--joint-steps", "2", "--no-resume"]) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_generator_that_is_carried_over_reads_the_new_embeddings_as_the_old():
    rng = torch.Generator().manual_seed(0)
    generator = FrameGenerator.tiny()
    with torch.no_grad():
        generator.motion_proj.weight.normal_(generator=rng)
    before = torch.randn(200, 32, generator=rng)
    after = before @ (torch.randn(32, 32, generator=rng) + 8 * torch.eye(32))
    gap = torch.ones(200)
    expected = generator.motion_condition(before, gap)
    assert not torch.allclose(generator.motion_condition(after, gap), expected, atol=0.1)
    remap(generator, before, after)
    torch.testing.assert_close(generator.motion_condition(after, gap), expected, atol=1e-3, rtol=0)


def test_a_run_from_finished_weights_carries_the_generator_over_and_takes_no_other_start(tmp_path, capsys):
    arguments = ["train", "tiny", "--no-compile", "--batch", "2", "--joint-steps", "0", "--refine-steps", "0"]
    arguments += ["--warmup-steps", "1", "--out", str(tmp_path / "run")]
    assert main([*arguments, "--start", "dismo_core/assets/dismo"]) == 0
    before, after = (load_frame_generator(file) for file in ("tiny", tmp_path / "run" / GENERATOR_FILE))
    changed = {n for n, p in after.named_parameters() if not torch.equal(p, before.get_parameter(n))}
    assert changed == {"motion_proj.weight"}
    other = tmp_path / "other"
    shutil.copytree("dismo_core/assets/dismo", other)
    shutil.copyfile(tmp_path / "run" / GENERATOR_FILE, other / GENERATOR_FILE)
    assert main([*arguments, "--start", str(other)]) == 2
    assert "holds another run: start was" in capsys.readouterr().err


def test_the_last_stage_leaves_the_motion_alone(tmp_path):
    arguments = ["train", "tiny", "--no-compile", "--batch", "2", "--start", "dismo_core/assets/dismo"]
    arguments += ["--warmup-steps", "0", "--joint-steps", "0", "--anneal-steps", "0", "--refine-steps", "2"]
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    extractor = load_motion_extractor(tmp_path / "dismo_tiny_extractor.safetensors")
    assert extractor.extractor_id == load_motion_extractor("tiny").extractor_id
    before, after = load_frame_generator("tiny"), load_frame_generator(tmp_path / "dismo_tiny_generator.safetensors")
    changed = [not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True)]
    assert any(changed)


def test_the_objective_reaches_every_trained_part():
    generator = load_frame_generator("tiny").requires_grad_(True)
    objective = MotionObjective(load_motion_extractor("tiny").requires_grad_(True), generator)
    clips = ClipGenerator(seed=1, textures=12).batch(0, 2)
    joint_step(objective, generator, clips, label_weight=0.0, own=1)["loss"].backward()
    silent = [n for n, p in objective.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0]
    unused = ("mask_token", "readout.weight", "readout.bias")
    assert [name for name in silent if not name.endswith(unused) and "register" not in name] == []


def test_position_only_heads_start_where_they_are_aimed():
    """The start is checked by what it is for: an embedding looks at its own frame and the four after it."""
    torch.manual_seed(0)
    model = MotionExtractor.tiny()
    pictures = ClipGenerator(seed=2, textures=12).pictures(0, 24)
    start_extractor(model, encoder_patches(model.frame_encoder, pictures))
    clip = pictures[:8][None]
    with torch.no_grad():
        tokens = model.encode(clip)
    tokens.requires_grad_(True)
    embeddings = model.motion(tokens)
    gradient = torch.autograd.grad(embeddings[0, 1, 0], tokens)[0].abs().mean(dim=(2, 3))[0]
    assert set(gradient.topk(5).indices.tolist()) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_the_probe_tells_information_from_none(noise):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=rng)
    y = x @ torch.randn(6, 3, generator=rng) + noise * torch.randn(400, 3, generator=rng)
    assert (label_fit(x, y) > 0.99) == (noise == 0.0)


def test_a_fitted_readout_reads_out():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(200, 6, generator=rng)
    y = x @ torch.randn(6, 3, generator=rng) + 2
    readout = torch.nn.Linear(6, 3)
    fit_readout(readout, x, y)
    assert float((readout(x) - y).detach().abs().max()) < 0.01


def test_labels_fade_to_nothing_or_never_count():
    assert [TinyRecipe(anneal_steps=100).label_weight_at(step) for step in (0, 50, 100, 500)] == [3.0, 1.5, 0.0, 0.0]
    assert TinyRecipe(anneal_steps=0).label_weight_at(0) == 0.0
