"""The report on released adapters, on a toy base and a made adapter."""

import json

import pytest

from dismo_core.cli.main import main
from dismo_core.motiondirector import DualPathLoRA
from dismo_core.motiondirector.release import release_report
from dismo_core.runtime import Runtime
from dismo_core.text_to_video import load_text_to_video


@pytest.fixture
def adapter(toy_base_folder, tmp_path):
    lora = DualPathLoRA(load_text_to_video(toy_base_folder).unet, rank=2)
    for p in lora.parameters():
        p.data.normal_()
    lora.save("motion", tmp_path / "motion.safetensors")
    return tmp_path / "motion.safetensors"


def test_numbers_of_an_adapter_and_of_the_base_alone(toy_base_folder, adapter):
    base = load_text_to_video(toy_base_folder)
    report = release_report(base, toy_base_folder, adapter, 1, Runtime.cpu(), size=16, frames=3)
    json.dumps(report, allow_nan=False)
    first, second = report["samples"].values()
    assert first["shape"] == [3, 16, 16, 3] and first["mean"] != second["mean"]
    assert report["adapter"]["rank"] == 2 and "unet/config.json" in report["base"]["bytes of files"]
    assert str(adapter.parent) not in json.dumps(report)
    DualPathLoRA(base.unet).remove()  # nothing was left in the base


def test_the_command_asks_for_an_adapter(capsys):
    assert main(["evaluate", "release", "--motiondirector", "--device", "cpu"]) == 2
    assert "Give the motion adapter" in capsys.readouterr().err.replace("\n", " ")
