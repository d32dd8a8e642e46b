"""The drawn object with its truth, figures that tell good from bad, commands that join methods."""

import numpy as np
import pytest
import torch
from PIL import Image

from dismo_core.assets.examples import example, example_mask
from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians4D
from dismo_core.gaussians4d.compare_views import compare_view
from dismo_core.gaussians4d.drawn_object import DrawnObject
from dismo_core.gaussians4d.evaluate import billboard, novel_views, still
from dismo_core.gaussians4d.measures import measure, overlap, ssim
from dismo_core.gaussians4d.posed import inflated


@pytest.fixture(scope="module")
def thing():
    return DrawnObject(frames=3)


def test_the_object_turns_and_bobs_and_is_solid(thing):
    front, masks = thing.truth(0, 48)
    assert front.shape == (3, 3, 48, 48) and 0.1 < masks.mean() < 0.5
    assert (front[0] - front[1]).abs().mean() > 0.01  # it moves
    side = thing.truth(90, 48)[1]
    assert side.mean() > 0.5 * masks.mean()
    assert overlap(masks, masks).min() == 1
    # from behind its outline is that from in front, mirrored
    assert overlap(thing.truth(180, 48)[1][:1].flip(-1), masks[:1]).item() > 0.85


def test_a_billboard_is_worse_from_the_side(thing):
    clip = thing.clip(64)
    posed = inflated(clip, count=600)
    solid, flat = (novel_views(still(p, clip), thing) for p in (posed, billboard(posed)))
    assert solid[0].iou > 0.7 and abs(solid[0].iou - flat[0].iou) < 0.15
    assert solid[90].iou > flat[90].iou + 0.2


def test_a_still_field_fails_on_the_known_view(fish):
    found = measure(still(inflated(fish, count=300), fish), fish, 32)
    assert found.psnr < 25 and found.gain < 3


def test_ssim():
    a = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert ssim(a, a).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert ssim(a, 1 - a).max() < -0.5


def test_pictures_from_another_side(fish4d):
    from dismo_core.gaussians4d.measures import pictures

    rgb, _ = pictures(fish4d, 30, 48)
    own = np.concatenate(
        ((rgb * 255).round().byte().movedim(1, -1).numpy(), np.full((14, 48, 48, 1), 255, np.uint8)), -1
    )
    same, other = compare_view(fish4d, own, 30), compare_view(fish4d, own, 90)
    assert same["psnr"] > 45 > 30 > other["psnr"] and same["ssim"] > 0.99 > other["ssim"]
    assert same["unrest"] == pytest.approx(same["unrest of the truth"], rel=0.1) and same["clip"] is None
    with pytest.raises(DisMoError, match="14 frames, the pictures are 5"):
        compare_view(fish4d, own[:5], 30)


SHORT = ("--steps", "1", "--count", "300", "--fit-size", "32", "--camera", "still")


def test_a_moved_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    picture = Image.open(example("cutout")[1]).convert("RGBA")
    picture.putalpha(Image.open(example_mask("cutout")).convert("L"))
    picture.resize((160, 106)).save("flower.png")
    assert (
        main(
            ["4d", "picture", "flower.png", "--motion", str(example("drawn")[0]), "-o", "out", "--frames", "3", *SHORT]
        )
        == 0
    )
    assert Gaussians4D.load("out/model4d.safetensors").frames == 3
    assert "inferred" in capsys.readouterr().out


def test_a_model_against_folders_of_pictures(fish4d, tmp_path, capsys):
    from dismo_core.gaussians4d.measures import pictures

    fish4d.save(tmp_path / "m.safetensors")
    (tmp_path / "side").mkdir()
    for number, frame in enumerate(pictures(fish4d, 30, 32)[0]):
        Image.fromarray((frame * 255).byte().movedim(0, -1).numpy()).save(tmp_path / f"side/{number}.png")
    words = [str(tmp_path / "m.safetensors"), "--truth", str(tmp_path / "side"), "--azimuths", "30"]
    assert main(["4d", "evaluate", *words, "-o", str(tmp_path / "r.json")]) == 0
    assert '"psnr"' in (tmp_path / "r.json").read_text()
    assert main(["4d", "evaluate", str(tmp_path / "m.safetensors"), "--azimuths", "30"]) == 2
    assert "0 folders and 1 azimuths" in capsys.readouterr().err


def test_the_tables_in_a_few_steps(tmp_path, capsys):
    assert main(["4d", "evaluate", "--steps", "1", "--seeds", "1", "-o", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "billboard" in said and "MISSED" in said and (tmp_path / "r.json").is_file()
