"""The method measured on drawn clips: a small base, one clip, one step, so that numbers are there and stand where they belong."""

import json

import pytest
import torch

from dismo_core import DisMoError
from dismo_core.assets.examples import example_clip
from dismo_core.cli.main import main
from dismo_core.motiondirector import DualPathLoRA
from dismo_core.motiondirector.adapter_file import read_adapter
from dismo_core.motiondirector.bundled import bundled_adapters
from dismo_core.motiondirector.drawn import sampler
from dismo_core.motiondirector.drawn_evaluation import (
    BASE,
    CEILING,
    CHANCE,
    CONTROLS,
    DUAL,
    ORDINARY,
    Measured,
    evaluate_drawn,
    inversion_error,
    means,
)
from dismo_core.motiondirector.losses import draw_step, together_loss
from dismo_core.motiondirector.sampling import VideoSettings
from dismo_core.motiondirector.training import TrainingSettings, check_training
from dismo_core.text_to_video import load_text_to_video
from dismo_core.text_to_video.gates import SEED, mean, see_objects, transfer_cases, ways
from dismo_core.text_to_video.training.autoencoder import new_autoencoder
from dismo_core.text_to_video.training.export import export_base
from dismo_core.text_to_video.training.parts import TinyBase
from dismo_core.video import read_video


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory):
    """A base of the tiny one's shape, untrained."""
    folder = tmp_path_factory.mktemp("untrained")
    torch.manual_seed(0)
    export_base(TinyBase(folder / "tokenizer"), new_autoencoder().eval(), folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"sampling": {"steps": 1, "guidance": 1}}))
    return folder


def test_the_command(tiny_folder, tmp_path):
    out = tmp_path / "tiny.json"
    words = f"motiondirector evaluate --tiny --clips 1 --train-steps 1 -m {tiny_folder} -d cpu -o {out}"
    assert main(words.split()) == 0
    found = json.loads(out.read_text())
    assert list(found["means"]) == [CHANCE, CEILING, BASE, DUAL, ORDINARY]
    assert all(-1 <= value <= 1 for numbers in found["means"].values() for value in numbers.values())
    assert found["means"][CHANCE]["kept"] == 1 and found["clips"][0]["prompts"] == 4
    assert (tmp_path / "tiny_sheet.png").is_file()
    assert (tmp_path / "tiny_runs/0/ordinary/spatial/lora/1_unet.safetensors").is_file()
    assert main(["motiondirector", "evaluate", "x", "--tiny"]) == 2
    assert main(["motiondirector", "evaluate", "x"]) == 2


def test_controls_and_inversion(tiny_folder, tmp_path):
    base = load_text_to_video(tiny_folder)
    training, videos = TrainingSettings(steps=1, rank=2, checkpointing=False), VideoSettings(steps=2, guidance=1)
    rows, sheets = evaluate_drawn(base, training, videos, tmp_path, moves=["growing"], prompts=1, controls=True)
    assert {row.kind for row in rows} >= set(CONTROLS) and len(rows) == 5 + len(CONTROLS)
    assert len(sheets[0]) == len(rows)  # the clip in place of other clips
    (error,) = inversion_error(base, ["growing"], steps=3)
    assert error >= 0
    assert not any("low_rank_updates" in name for name in base.unet.state_dict())


def test_the_demo_learns_a_drawn_clip(tiny_folder, tmp_path, capsys):
    words = f"motiondirector demo -m {tiny_folder} --steps 1 --device cpu -o {tmp_path / 'demo'}"
    assert main(words.split()) == 0
    files = {path.name for path in (tmp_path / "demo").iterdir()}
    assert "contact_sheet.png" in files and sum(name.endswith(".mp4") for name in files) == 4
    assert "1_unet.safetensors" in capsys.readouterr().out.replace("\n", "")


def test_means_are_over_clips():
    rows = [
        Measured("growing", kind, value, value, 0.0, 1.0, 4) for kind, value in (("a", 0.0), ("a", 1.0), ("b", 0.5))
    ]
    assert means(rows)["a"]["fidelity"] == means(rows)["b"]["way"] == 0.5


def test_an_ordinary_lora_learns_both_parts_from_the_whole_clip(toy_base_folder):
    base = load_text_to_video(toy_base_folder)
    lora = DualPathLoRA(base.unet, rank=2, appearances=1)
    with torch.no_grad():
        for p in lora.parameters():
            p.normal_(std=0.05)
    latents = torch.randn(1, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    draws = draw_step(latents, torch.Generator().manual_seed(1))
    text = base.encode_prompts(["x"])
    ((name, loss),) = together_loss(base.unet, lora, base.scheduler, latents, text, draws)
    loss.backward()
    assert name == "together"
    for part in ("appearance", "motion"):
        assert all(p.grad is not None and bool(p.grad.any()) for p in lora.parameters_of(part))
    lora.remove()


def test_an_ordinary_lora_has_both_parts():
    with pytest.raises(DisMoError, match="has both parts"):
        check_training([], TrainingSettings(together=True, appearance=False))


def test_a_base_says_how_it_is_sampled(tiny_folder, toy_base_folder):
    assert load_text_to_video(tiny_folder).sampling == (1, 1.0)
    assert load_text_to_video(toy_base_folder).sampling == (30, 12.0)
    assert load_text_to_video("tiny").sampling == (25, 3.0)


def test_the_bundled_motion_moves_what_a_prompt_names():
    (case,) = transfer_cases(["moving left"], SEED + 3, prompts=2)
    captions, clip = case.asked.captions(False), case.clip.rendered()
    base = load_text_to_video("tiny")
    few = VideoSettings(steps=12)
    moved = sampler(base, few, motion="moving-left")(captions, 0)
    alone = sampler(base, few)(captions, 0)
    assert mean(ways(moved, clip)) > 0.6 > 0.3 > mean(ways(alone, clip))
    seen = see_objects(moved)
    assert (seen.main_color() == case.asked.color).all() and (seen.main_ground() == case.asked.ground).all()


def test_bundled_adapters_are_small_and_of_the_bundled_base():
    files, unet = bundled_adapters(), load_text_to_video("tiny").unet
    assert {"moving-left", "lilac-paper"} <= set(files)
    for name, path in files.items():
        assert path.stat().st_size <= 200_000
        part = "appearance" if name == "lilac-paper" else "motion"
        assert read_adapter(path, unet, part).metadata["base"] == "tiny"


def test_the_bundled_look_changes_the_paper_and_keeps_the_object():
    base, few = load_text_to_video("tiny"), VideoSettings(steps=12, frames=8)
    prompt, lilac = ["a red disc on white"], torch.tensor((0.80, 0.68, 0.93)) * 2 - 1
    looked, alone = (sampler(base, few, appearance=look)(prompt, 0) for look in ("lilac-paper", None))
    far = [(frames[:, :, :4].flatten(0, 3).mean(0) - lilac).norm() for frames in (looked, alone)]
    assert far[0] < 0.6 * far[1]
    assert (see_objects(looked).main_color() == 0).all()  # red


def test_the_example_clips_are_four_that_move_left():
    frames = read_video(example_clip("four clips")).frames
    assert frames.shape == (64, 64, 64, 3)
    seen = see_objects(frames.float().div(127.5).sub(1).unflatten(0, (4, 16)))
    assert (seen.place[:, -1, 0] < seen.place[:, 0, 0] - 10).all() and len(set(seen.main_color().tolist())) > 1
    with pytest.raises(DisMoError, match="Choose one of: fish, four clips"):
        example_clip("five clips")
