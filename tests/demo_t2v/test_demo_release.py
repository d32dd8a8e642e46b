"""`dismo evaluate release-demo`, on toy weights."""

from __future__ import annotations

import hashlib
import json

from dismo_core.cli.main import main


def test_the_report_has_files_states_and_a_clip(toy_folder, tmp_path, capsys):
    out = tmp_path / "release.json"
    words = f"evaluate release-demo --weights {toy_folder / 'release'} -o {out} --steps 2 --frames 3 --device cpu"
    assert main(words.split()) == 0
    report = json.loads(out.read_text("utf-8"))
    path = toy_folder / "release" / "demo.pth"
    unet = report["files"]["unet"]
    assert unet["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() and unet["bytes"] == path.stat().st_size
    assert unet["tensors"]["input_blocks.1.2.proj_in.weight"] == "float32 [32, 32]"
    assert any(name.startswith("visual.") for name in report["files"]["content_encoder"]["tensors"])
    assert report["text states"]["motion"]["shape"] == [1, 77, 64]
    assert report["clip"]["steps"] == 2 and report["clip"]["shape"][0] == 3
    assert str(tmp_path) not in out.read_text("utf-8") and str(toy_folder) not in out.read_text("utf-8")
    assert "send it back" in capsys.readouterr().out
