"""The report on released weights, on toy ones."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import dismo_core as dismo
from dismo_core.dismo.adapter.load import load_video_model
from dismo_core.dismo.evaluation.release import release_report, synthetic_clip
from dismo_core.evaluation.machine_report import numbers

BASE = Path(__file__).parents[2] / "goldens" / "tiny-CogVideoX-I2V"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An extractor, an adapter that embeds the same, a base."""
    folder = tmp_path_factory.mktemp("weights")
    extractor = dismo.load_motion_extractor("tiny")
    torch.manual_seed(0)
    adapter = dismo.CogVideoXMotionAdapter(BASE, extractor, d_cond=16, rank=8, alpha=4)
    save_file({k: v.contiguous() for k, v in adapter.state_dict().items()}, folder / "adapter.safetensors")
    save_file(extractor.state_dict(), folder / "extractor.safetensors")
    return {"extractor": folder / "extractor.safetensors", "adapter": folder / "adapter.safetensors", "base": BASE}


def report_of(files, extractor=None):
    model = load_video_model(files["adapter"], BASE, "cpu", precision="fp32")
    extractor = extractor or dismo.load_motion_extractor(files["extractor"])
    return release_report(extractor, model, files, 1, dismo.Runtime.cpu())


@pytest.fixture(scope="module")
def report(files):
    return report_of(files)


def test_it_is_plain_json_without_paths(report, files):
    text = json.dumps(report, allow_nan=False)
    assert str(files["adapter"].parent) not in text
    assert report["files"]["base"]["name"] == "tiny-CogVideoX-I2V"
    assert "transformer/config.json" in report["files"]["base"]["bytes of files"]


def test_files_are_told_by_checksum_and_tensors(report, files):
    told = report["files"]["adapter"]
    assert told["sha256"] == hashlib.sha256(files["adapter"].read_bytes()).hexdigest()
    assert told["as released"] is False
    assert told["tensors"]["init_gru_state"] == "float32 [16]"
    assert told["tensors"]["transformer.transformer_blocks.0.ff.net.2.lora_A.default.weight"] == "bfloat16 [8, 128]"


def test_both_extractors_are_run(report):
    embeddings = report["embeddings"]
    assert embeddings["standalone"] == embeddings["embedded"]
    assert embeddings["standalone"]["shape"] == [21, 32] and report["largest difference of embeddings"] == 0
    assert embeddings["standalone"]["std"] > 0.1


def test_an_extractor_that_differs_shows(files):
    other = dismo.load_motion_extractor("tiny")
    other.head[3].scale.data.mul_(1.01)
    assert report_of(files, other)["largest difference of embeddings"] > 1e-3


def test_the_sample_is_told_in_numbers(report):
    sample = report["sample"]
    assert sample["shape"] == [25, 64, 96, 3] and sample["steps"] == 1
    assert len(sample["colors of each frame"]) == 25 and len(sample["change from frame to frame"]) == 24
    assert 0 < sample["mean"] < 1


def test_the_report_is_the_same_again(report, files):
    def steady(found):
        return {k: v for k, v in found.items() if k != "seconds"} | {
            "sample": {k: v for k, v in found["sample"].items() if k != "seconds"}
        }

    assert steady(report_of(files)) == steady(report)


def test_the_synthetic_clip_is_a_formula():
    clip = synthetic_clip(3, 4, 5)
    assert clip.shape == (3, 4, 5, 3) and clip.dtype == torch.float32
    assert clip.min() >= 0 and clip.max() <= 1
    # 0.5 + 0.25 sin(0.07 * 4 - 0.4 * 2 + 1) + 0.25 sin(0.05 * 3 - 0.25 * 2 + 2)
    assert clip[2, 3, 4, 1].item() == pytest.approx(0.5 + 0.25 * 0.461779 + 0.25 * 0.996865, abs=1e-5)


def test_numbers_of_a_tensor():
    found = numbers(torch.arange(6.0).view(2, 3))
    assert found == {"shape": [2, 3], "mean": 2.5, "std": 1.707825, "first": [0, 1, 2, 3], "last": [4, 5]}
