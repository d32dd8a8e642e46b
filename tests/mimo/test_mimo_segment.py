"""The person's mask by segmenters of transformers: what is said where there are none."""

import numpy as np
import pytest
import torch

from dismo_core import DisMoError
from dismo_core.cli.hints import HINTS as COMMAND_LINE
from dismo_core.cli.main import main
from dismo_core.mimo.templates.segment import segment_person
from dismo_core.video import write_video

FRAMES = np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3), dtype=np.uint8)


def test_without_a_segmenter_the_error_says_how_to_give_a_mask(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DisMoError, match="facebook/sam3 does not load.*hf download facebook/sam3.*mask") as found:
        segment_person(FRAMES, "person")
    assert "--mask" in str(found.value.spoken(COMMAND_LINE))
    with pytest.raises(DisMoError, match="sam2.1-hiera-small does not load"):
        segment_person(FRAMES, " 20, 30 ")
    with pytest.raises(DisMoError, match="64,10 lies outside of the clip, which is 64x48"):
        segment_person(FRAMES, "64,10")
    with pytest.raises(DisMoError, match="no words"):
        segment_person(FRAMES, " ")
    write_video(tmp_path / "clip.mp4", torch.from_numpy(FRAMES), 30)
    build = ["mimo", "template", "build", str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "t")]
    assert main([*build, "--segment", "person"]) == 2
    assert "--mask" in capsys.readouterr().err and not (tmp_path / "t").exists()
    assert main(build) == 2
    assert "--mask" in capsys.readouterr().err
