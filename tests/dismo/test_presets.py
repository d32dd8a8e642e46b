"""Ready-made moves: what is bundled, how it is made, what it does, and for whom."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import dismo_core as dismo
from dismo_core.cli.hints import HINTS as COMMAND_LINE
from dismo_core.cli.main import main
from dismo_core.dismo.drawn_motion import Way, drawn_frames
from dismo_core.dismo.layered.path import REACH
from dismo_core.dismo.models.extractor import MotionExtractor
from dismo_core.dismo.preset_table import PRESETS
from dismo_core.dismo.presets import FPS, FRAMES, bundled_file
from dismo_core.evaluation.measure import track_ground

SAME = 1e-3  # of an embedding's length of 4.4; other CPUs add in another order


@pytest.fixture(scope="module")
def extractor() -> MotionExtractor:
    return dismo.load_motion_extractor("tiny")


@pytest.fixture(scope="module")
def model() -> dismo.LayeredModel:
    return dismo.load_layered_model("tiny")


def test_there_are_24_moves_of_the_camera_and_12_of_things() -> None:
    parts = [move.part for move in PRESETS.values()]
    assert (parts.count("camera"), parts.count("thing")) == (24, 12)
    assert all(name.startswith("thing-") == (move.part == "thing") for name, move in PRESETS.items())
    assert len({move.words for move in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_bundled_move_is_small_and_carries_its_definition(name: str, model: dismo.LayeredModel) -> None:
    """What the head reads of it against the formula, all eight numbers at once; `dismo evaluate presets` measures videos."""
    assert bundled_file(name).stat().st_size <= 12_000
    motion = dismo.motion_preset(name)
    assert (motion.frames, motion.fps, motion.source) == (FRAMES, FPS, f"preset:{name}")
    move = PRESETS[name]
    true = torch.zeros(FRAMES - 1, 8, dtype=torch.float64)
    true[:, slice(0, 4) if move.part == "camera" else slice(4, 8)] = move.way(FRAMES, FPS).steps(move.part)
    true, read = true * REACH, model.path(motion).steps * REACH
    assert float((true * read).sum() / (true.norm() * read.norm())) > 0.95


def test_the_command_makes_what_is_bundled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "roll-left", "-o", str(tmp_path)]) == 0
    made, bundled = dismo.Motion.load(tmp_path / "roll-left.safetensors"), dismo.motion_preset("roll-left")
    assert torch.allclose(made.embeddings, bundled.embeddings, atol=SAME)
    assert torch.allclose(made.still, bundled.still, atol=SAME)
    assert (made.source, made.extractor) == (bundled.source, bundled.extractor)
    assert bundled.extractor in capsys.readouterr().out
    assert main(["presets", "roll-left", "-o", str(tmp_path)]) == 2  # it is there


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PRESETS)
    assert any("picture slides right" in line for line in lines if line.startswith("pan-left "))


def test_strength_scales_the_bundled_move(model: dismo.LayeredModel) -> None:
    far = [float(model.path(dismo.motion_preset("pan-left", strength=k)).steps[:, 0].sum()) for k in (0.5, 1.0)]
    assert 0.35 < far[0] / far[1] < 0.65
    assert float(model.path(dismo.motion_preset("pan-left", strength=0)).steps.abs().max()) == 0


def test_other_lengths_and_extractors_are_drawn(extractor: MotionExtractor, model: dismo.LayeredModel) -> None:
    longer = dismo.motion_preset("tilt-down", extractor, frames=13)
    assert (longer.frames, longer.extractor) == (13, extractor.extractor_id)
    assert float(model.path(longer).steps[:, 1].sum()) < -0.4  # of 0.6: as far as in 25 frames
    other = MotionExtractor.tiny()
    torch.manual_seed(0)
    torch.nn.init.normal_(other.query_tokens)
    strange = dismo.motion_preset("tilt-down", other, frames=5)
    assert strange.extractor == other.extractor_id != extractor.extractor_id
    with pytest.raises(dismo.DisMoError, match=r"motion_preset\('tilt-down', extractor\)") as error:
        model.path(strange)
    assert "dismo presets tilt-down --extractor" in str(error.value.spoken(COMMAND_LINE))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("spin-cycle",), "no ready-made move 'spin-cycle'.*pan-left"),
        (("pan-left", None, 4), "at least 5"),
        (("pan-left", None, 25, 0.0), "fps must be above 0"),
        (("pan-left", None, 25, math.nan), "fps must be above 0"),
        (("pan-left", None, 25, 8.0, math.inf), "strength of inf"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple, said: str) -> None:
    with pytest.raises(dismo.DisMoError, match=said):
        dismo.motion_preset(*arguments)


def test_a_drawn_camera_goes_as_its_way_says() -> None:
    none = torch.zeros(9, dtype=torch.float64)
    way = Way(torch.stack((torch.linspace(0, 0.25, 9, dtype=torch.float64), none), dim=-1), none, none)
    video = torch.cat(list(drawn_frames(way, "camera", 64)))
    frames = ((video + 1) * 127.5).round().to(torch.uint8).numpy()
    assert track_ground(frames)[-1] == pytest.approx([16, 0], abs=0.5)


def test_steps_of_a_camera_that_turns_about_the_middle_of_a_shifted_picture() -> None:
    """A picture that lies half a side to the right, and turns by a quarter: its middle goes down."""
    zero, shift = torch.zeros(2, dtype=torch.float64), torch.tensor([[0.5, 0.0], [0.5, 0.0]], dtype=torch.float64)
    steps = Way(shift, zero, torch.tensor([0, math.pi / 2], dtype=torch.float64)).steps("camera")
    assert steps[0].tolist() == pytest.approx([0, 0, 0, math.pi / 2], abs=1e-9)  # about the middle of the screen


def test_a_preset_moves_a_picture_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    picture = tmp_path / "picture.png"
    Image.effect_noise((64, 48), 80).convert("RGB").save(picture)
    out = tmp_path / "out.webp"
    assert main(["transfer", "--motion", "preset:dolly-in", "--image", str(picture), "-o", str(out)]) == 0
    assert out.is_file()
    assert main(["transfer", "--motion", "preset:dolly", "--image", str(picture), "-o", str(out)]) == 2
    assert "no ready-made move 'dolly'" in capsys.readouterr().err
