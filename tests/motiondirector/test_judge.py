"""Numbers of an adapter: on videos that are known to move or not, and the command on a toy base."""

import json

import pytest
import torch
from toy_text_to_video import write_base

from dismo_core import DisMoError
from dismo_core.cli.main import main
from dismo_core.evaluation.colors import color_overlap
from dismo_core.motiondirector import DualPathLoRA
from dismo_core.motiondirector.judge import judge_adapter, mean_of
from dismo_core.motiondirector.sampling import VideoSettings
from dismo_core.text_to_video import load_text_to_video


def test_color_overlap():
    red, blue = (torch.tensor(c, dtype=torch.uint8).expand(2, 4, 4, 3) for c in ([250, 0, 0], [0, 0, 250]))
    half = torch.cat((red, blue))
    assert color_overlap(red, red[:1, :2]) == 1 and color_overlap(red, blue) == 0
    assert color_overlap(red, half) == pytest.approx(0.5)


def test_an_adapter_beside_the_base_alone(toy_base_folder):
    base = load_text_to_video(toy_base_folder)
    lora = DualPathLoRA(base.unet, rank=2, appearances=0)
    texture = torch.randint(0, 256, (16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clip = torch.stack([texture.roll(t, 1) for t in range(4)])
    settings = VideoSettings(frames=4, steps=1, guidance=1)
    found, rows = judge_adapter(base, lora, clip, ["a", "b"], settings)
    assert len(rows) == 5 and [row.prompt for row in found] == ["a", "b"]
    for row in found:  # an adapter that does nothing
        assert row.fidelity == row.fidelity_of_base and row.leak == row.leak_of_base and row.prompt_kept is None
    torch.manual_seed(0)
    with torch.no_grad():
        for p in lora.parameters():
            p.normal_()
    lora.set_scales(motion=2)
    found, _ = judge_adapter(base, lora, clip, ["a"], settings)
    assert found[0].leak != found[0].leak_of_base and lora.scales["motion"] == (2.0,)
    assert mean_of(found)["leak"] == found[0].leak
    with pytest.raises(DisMoError, match="The clip has 3 frames, and videos of 4"):
        judge_adapter(base, lora, clip[:3], ["a"], settings)


def test_the_command(tmp_path, real_clip):
    base = write_base(tmp_path / "base")
    unet = load_text_to_video(base).unet
    DualPathLoRA(unet, rank=2).save("motion", tmp_path / "motion.safetensors")
    words = f"motiondirector evaluate {tmp_path / 'motion.safetensors'} --clip {real_clip} -p x -p y -m {base} -W 32 -T 3 -s 1 -g 1 -d cpu"
    out = tmp_path / "out.json"
    assert main([*words.split(), "-o", str(out)]) == 0
    found = json.loads(out.read_text())
    assert [row["prompt"] for row in found["prompts"]] == ["x", "y"] and found["mean"]["leak"] == found["mean"][
        "leak_of_base"
    ]
    assert (tmp_path / "out.png").is_file() and (tmp_path / "out_sheet.png").is_file()
    assert main([*words.split(), "-o", str(out)]) == 2
