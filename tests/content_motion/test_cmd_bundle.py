"""Toy models as the files that ship: all of them or the autoencoder alone, loaded as `tiny`, listed, verified, shown by the demo."""

from __future__ import annotations

import pytest
import torch
from cmd_models import FRAMES, SIDE, made_models
from safetensors.torch import load_file

from dismo_core import DisMoError
from dismo_core import content_motion as cm
from dismo_core.cli.main import main
from dismo_core.content_motion import weights
from dismo_core.content_motion.checkpoints import save_model
from dismo_core.content_motion.training import bundle as bundling
from dismo_core.content_motion.training.bundle import bundle
from dismo_core.weights import registry


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = made_models(tmp_path_factory.mktemp("made"))
    return [folder / f"{stem}.safetensors" for stem in ("autoencoder", "motion_model", "content_model")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where `tiny` is looked for; nothing is there."""
    monkeypatch.setattr(weights, "TINY", tmp_path / "tiny")
    return tmp_path / "tiny"


def test_without_a_bundle_tiny_tells_how_to_make_one(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert weights.tiny_files() == {}
    assert main(["content-motion", "demo"]) == 2
    assert "docs/content-motion.md tells how" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_three_models_come_back_in_half_the_bytes(made, place):
    written = bundle(place, *made)
    assert {path.name for path in written} == {path.name for path in made} | {"checksums.json"}
    tiny, whole = cm.load_content_motion("tiny"), cm.load_content_motion(made[0].parent)
    assert (tiny.size, tiny.frames) == ((SIDE, SIDE), FRAMES) and tiny.content_model.num_classes == 4
    clip = torch.rand(1, 3, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert (tiny.reconstruct(clip) - whole.reconstruct(clip)).abs().max() < 0.05
    content = clip[:, :, 0]
    assert (tiny.predict_motion(content, steps=3) - whole.predict_motion(content, steps=3)).abs().max() < 0.2
    stored = load_file(place / "motion_model.safetensors")
    tables = {name for name, value in stored.items() if value.dtype == torch.float32}
    assert tables == {"pos_embed", "keyframe_pos_embed"}, "computed, not trained: to the bit"
    assert torch.equal(tiny.motion_model.pos_embed, whole.motion_model.pos_embed)
    rotary = tiny.autoencoder.encoder.image_rot_emb.scales
    assert torch.equal(rotary, whole.autoencoder.encoder.image_rot_emb.scales)


def test_an_autoencoder_alone(made, place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bundle(place, *made)
    bundle(place, made[0])
    assert {path.name for path in place.iterdir()} == {"autoencoder.safetensors", "checksums.json"}
    assert set(weights.tiny_files()) == {"content_motion_tiny_autoencoder"}
    tiny = cm.load_content_motion("tiny")
    assert tiny.size is None and tiny.frames is None
    with pytest.raises(DisMoError, match="no motion model, which draws motion"):
        tiny.predict_motion(torch.zeros(1, 3, SIDE, SIDE))
    with pytest.raises(DisMoError, match="no content model. Any picture can be the content frame"):
        tiny.sample_content([0])
    assert main(["content-motion", "sample", "--label", "0", "-o", "a.mp4"]) == 2
    assert "no content model" in capsys.readouterr().err
    assert main(["content-motion", "demo"]) == 0
    assert (tmp_path / "content_motion_demo" / "contact_sheet.png").is_file()


def test_listed_verified_and_told_when_damaged(made, place, monkeypatch, capsys):
    bundle(place, *made)
    monkeypatch.setattr(registry, "BUNDLED", weights.tiny_files())
    assert main(["weights"]) == 0
    listed = capsys.readouterr().out
    assert all(path.name in listed for path in made) and "damaged" not in listed
    assert main(["weights", "verify"]) == 0
    assert capsys.readouterr().out.count(": ok, CMD") == 3
    content = (place / "content_model.safetensors").read_bytes()
    (place / "content_model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DisMoError, match=r"content_model.safetensors has the checksum .* the file is damaged"):
        cm.load_content_motion("tiny")
    (place / "content_model.safetensors").unlink()
    with pytest.raises(DisMoError, match=r"content_model.safetensors is missing"):
        cm.load_content_motion("tiny")


def test_what_cannot_ship_leaves_the_old_bundle(made, place, tmp_path, monkeypatch):
    bundle(place, *made)
    before = {path: path.read_bytes() for path in place.iterdir()}
    other = cm.ContentMotionAutoencoder(width=32, depth=1, motion_channels=4)
    save_model(other, tmp_path / "other.safetensors")
    with pytest.raises(DisMoError, match="do not belong together"):
        bundle(place, tmp_path / "other.safetensors", made[1])
    monkeypatch.setattr(bundling, "MOST_OF_A_FILE", 10_000)
    with pytest.raises(DisMoError, match=r"too large to ship: autoencoder.safetensors .* each may have 10 kB"):
        bundle(place, *made)
    assert {path: path.read_bytes() for path in place.iterdir()} == before
