"""The method measured on drawn clips: a small base, one clip, one step, so that numbers are there and stand where they belong."""

import json

import pytest
import torch
from toy_text_to_video import write_base

from dismo_core import DisMoError
from dismo_core.cli.main import main
from dismo_core.motiondirector import DualPathLoRA
from dismo_core.motiondirector.drawn_evaluation import CEILING, CHANCE, DUAL, ORDINARY, Measured, means
from dismo_core.motiondirector.losses import draw_step, together_loss
from dismo_core.motiondirector.training import TrainingSettings, check_training
from dismo_core.text_to_video import load_text_to_video


def test_the_command(tmp_path):
    base, out = write_base(tmp_path / "base"), tmp_path / "tiny.json"
    words = f"motiondirector evaluate --tiny --clips 1 --train-steps 1 -m {base} -s 1 -g 1 -d cpu -o {out} --controls"
    assert main(words.split()) == 0
    found = json.loads(out.read_text())
    assert {CHANCE, CEILING, "base alone", DUAL, ORDINARY, "prior 0.5"} <= found["means"].keys()
    assert all(-1 <= value <= 1 for numbers in found["means"].values() for value in numbers.values())
    assert found["clips"][0]["prompts"] == 4 and len(found["inversion errors"]) == 1
    assert (tmp_path / "tiny_sheet.png").is_file()
    assert (tmp_path / "tiny_runs/0/ordinary/spatial/lora/1_unet.safetensors").is_file()
    assert main(["motiondirector", "evaluate", "x", "--tiny"]) == 2
    assert main(["motiondirector", "evaluate", "x"]) == 2


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
