"""The motion tools: files in the library and the output folder, and how widgets reach `dismo_core`."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest
import torch

EDIT = dict(operation="trim", start=0, frames=0, times=2, strength=1.0)
MIX = dict(mode="blend", balance=0.5, crossfade=4)


@pytest.fixture
def motion(pack):
    """Function: -> motion of 25 frames of random embeddings, unless said."""
    core = pack("dismo_core")

    def make(frames=25, seed=0, extractor="0" * 16, source="clip.mp4"):
        rows = torch.randn(frames - 4, 8, generator=torch.Generator().manual_seed(seed))
        return core.Motion(rows, 8.0, source, extractor, torch.ones(8))

    return make


@pytest.fixture
def library(pack):
    """The two file nodes, with the folders registered."""
    asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())
    return pack("nodes.dismo.motion_library")


def choices(library):
    (file, *_) = library.LoadMotion.define_schema().inputs
    return file.settings["options"]


@pytest.mark.parametrize(("place", "folder"), [("library", "models/dismo/motions"), ("output", "output/motions")])
@pytest.mark.parametrize("prefix", ["pan", "camera/pan"])
def test_a_saved_motion_is_listed_and_loaded(library, motion, tmp_path, place, folder, prefix):
    saved = motion()
    (file,) = library.SaveMotion.execute(saved, prefix, place)
    assert (tmp_path / folder / f"{prefix}_00001_.safetensors").is_file()
    assert file in choices(library)
    for arguments in (dict(file=file), dict(file="drawn [example]", saved=file)):
        (loaded,) = library.LoadMotion.execute(**arguments)
        assert torch.equal(loaded.embeddings, saved.embeddings) and loaded.source == "clip.mp4"


def test_one_name_in_both_places_stays_apart(library, motion):
    files = [library.SaveMotion.execute(motion(seed=i), "m", place)[0] for i, place in enumerate(("library", "output"))]
    for i, file in enumerate(files):
        assert torch.equal(library.LoadMotion.execute(file)[0].embeddings, motion(seed=i).embeddings)


def test_motions_are_no_weights(pack, library, motion):
    library.SaveMotion.execute(motion(), "pan", "library")
    assert pack("nodes.dismo.model_files").choices() == ["tiny"]


def test_examples_are_motions_of_the_bundled_extractor(pack, library):
    names = pack("dismo_core.assets.examples").example_names()
    assert choices(library) == [f"{name} [example]" for name in names] and names[:2] == ["drawn", "camera"]
    (loaded,) = library.LoadMotion.execute("drawn [example]")
    assert loaded.frames == 25
    assert loaded.extractor == pack("dismo_core").load_motion_extractor("tiny").extractor_id


@pytest.mark.parametrize("place", ["library", "output"])
@pytest.mark.parametrize("prefix", ["../pan", "/tmp/pan", "a/../../pan", "../motions_of_mine/pan"])
def test_no_file_is_written_outside(pack, library, motion, tmp_path, place, prefix):
    with pytest.raises(pack("dismo_core").DisMoError, match="leads out"):
        library.SaveMotion.execute(motion(), prefix, place)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("mark", ["", " [output]"])
@pytest.mark.parametrize("way", ["../secret.safetensors", "{base}/secret.safetensors", "a/../../secret.safetensors"])
def test_no_file_is_read_outside(pack, library, motion, tmp_path, way, mark):
    for folder in (tmp_path, tmp_path / "models/dismo", tmp_path / "output"):
        motion().save(folder / "secret.safetensors")
    with pytest.raises(pack("dismo_core").DisMoError, match="leads out"):
        library.LoadMotion.execute(way.format(base=tmp_path) + mark)


@pytest.mark.parametrize("name", ["gone.safetensors", "notes.txt"])
def test_a_file_that_is_not_there_or_no_motion(pack, library, tmp_path, name):
    (tmp_path / "models/dismo/motions").mkdir(parents=True)
    (tmp_path / "models/dismo/motions/notes.txt").write_text("mine")
    with pytest.raises(pack("dismo_core").DisMoError, match="There is no motion file"):
        library.LoadMotion.execute(name)


def test_a_changed_file_is_loaded_again(library, motion, tmp_path):
    (file,) = library.SaveMotion.execute(motion(), "pan", "library")
    before = library.LoadMotion.fingerprint_inputs(file)
    assert library.LoadMotion.fingerprint_inputs(file, "") == before
    library.LoadMotion.fingerprint_inputs("not here.safetensors", None)  # saved is connected: the file does not matter
    os.utime(tmp_path / "models/dismo/motions" / file, (1, 1))
    assert library.LoadMotion.fingerprint_inputs(file) != before


OPERATIONS = {
    "trim": (dict(), lambda core, m, other: m),
    "trim to the end": (dict(operation="trim", start=5), lambda core, m, other: m.trimmed(20, 5)),
    "trim a part": (dict(operation="trim", start=5, frames=9), lambda core, m, other: m.trimmed(9, 5)),
    "loop": (dict(operation="loop", times=3), lambda core, m, other: core.loop(m, 3)),
    "hold": (dict(operation="hold", start=5, frames=7), lambda core, m, other: core.hold(m, 5, 7)),
    "pause": (dict(operation="pause", start=5, frames=7), lambda core, m, other: core.pause(m, 5, 7)),
    "concatenate": (dict(operation="concatenate"), lambda core, m, other: core.chain([m, other])),
    "reverse order": (dict(operation="reverse order"), lambda core, m, other: core.reverse_order(m)),
    "strength": (dict(operation="strength", strength=0.5), lambda core, m, other: m.with_strength(0.5)),
    "loop with a crossfade": (dict(operation="loop", times=3, crossfade=4), lambda core, m, other: core.loop(m, 3, 4)),
    "concatenate with a crossfade": (
        dict(operation="concatenate", crossfade=3),
        lambda core, m, other: core.chain([m, other], 3),
    ),
    "a curve": (
        dict(operation="strength", strength=0.5, curve="0:1, 24:0"),
        lambda core, m, other: m.scaled([0.5 * (1 - i / 24) for i in range(25)]),
    ),
    "a smooth curve": (
        dict(operation="strength", curve="0:0, 24:1", keys="smooth"),
        lambda core, m, other: m.scaled([(i / 24) ** 2 * (3 - i / 12) for i in range(25)]),
    ),
    "a drawn curve": (
        dict(operation="strength", drawn_curve=SimpleNamespace(interp=lambda x: 1 - x), curve="ease-in"),
        lambda core, m, other: m.scaled([1 - i / 24 for i in range(25)]),
    ),
    "numbers": (
        dict(operation="strength", strength=2.0, drawn_curve=[0.5] * 25),
        lambda core, m, other: m,
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_edit(pack, motion, name):
    widgets, expected = OPERATIONS[name]
    other = motion(13, seed=1)
    (edited,) = pack("nodes.dismo.motion_edit").EditMotion.execute(motion(), other=other, **(EDIT | widgets))
    wanted = expected(pack("dismo_core.dismo.edit"), motion(), other).embeddings
    torch.testing.assert_close(edited.embeddings, wanted, atol=1e-5, rtol=0)


def test_a_ready_made_motion_is_shown_on_the_node(pack):
    node = pack("nodes.dismo.motion_preset").MotionPreset
    one, other = (node.execute(name, 1.0, 25, 8.0).ui["images"] for name in ("pan-left", "handheld"))
    assert one.shape == (1, 64, 288, 3) and 0 <= one.min() < one.max() <= 1
    assert not torch.equal(one, other)


def test_every_operation_of_the_menu_is_tested_and_runs(pack):
    (_, operation, *_) = pack("nodes.dismo.motion_edit").EditMotion.define_schema().inputs
    assert set(operation.settings["options"]) == {(EDIT | widgets)["operation"] for widgets, _ in OPERATIONS.values()}


@pytest.mark.parametrize(
    ("widgets", "message"),
    [
        (dict(operation="concatenate"), "Connect the one that follows"),
        (dict(operation="hold"), "frames to add must be at least 1"),
        (dict(operation="trim", start=22), "cannot be trimmed to 3 from frame 22"),
        (dict(operation="trim", start=40), "from frame 40"),
        (dict(operation="pause", start=25, frames=3), "no frame 25"),
        (dict(operation="strength", curve="0:1, 25:0"), "key at frame 25; the motion's last frame is 24"),
        (dict(operation="strength", curve="4:1, 2:0"), "out of order"),
        (dict(operation="strength", drawn_curve=[1.0, 0.5]), "The curve has 2 numbers, the motion 25 frames"),
    ],
)
def test_edits_that_cannot_be(pack, motion, widgets, message):
    with pytest.raises(pack("dismo_core").DisMoError, match=message):
        pack("nodes.dismo.motion_edit").EditMotion.execute(motion(), **(EDIT | widgets))


def test_mix(pack, motion):
    core, node = pack("dismo_core.dismo.edit"), pack("nodes.dismo.motion_edit").MixMotion
    a, b, c = (motion(13, seed=seed) for seed in range(3))
    assert torch.equal(node.execute(a, b, **(MIX | {"balance": 0.3}))[0].embeddings, core.blend(a, b, 0.3).embeddings)
    chained = node.execute(a, b, motion_4=c, **(MIX | {"mode": "chain"}))[0]
    assert torch.equal(chained.embeddings, core.chain([a, b, c], 4).embeddings)
    with pytest.raises(pack("dismo_core").DisMoError, match="Blend takes two"):
        node.execute(a, b, motion_3=c, **MIX)
    with pytest.raises(pack("dismo_core").DisMoError, match="different extractors"):
        node.execute(a, motion(extractor="f" * 16), **MIX)


@pytest.mark.parametrize("plot", ["all", "energy", "path", "self-similarity"])
def test_plot(pack, motion, plot):
    same_name = {
        f"motion_{i}": motion(seed=i, source="a clip with a name that is far too long to print.mp4") for i in (2, 4)
    }
    (image,) = pack("nodes.dismo.motion_plot").PlotMotion.execute(motion(source=""), plot, 500, **same_name)
    assert image.shape[0] == 1 and image.shape[2:] == (500, 3)
    assert image.dtype == torch.float32 and 0 <= image.min() < 0.5 and image.max() == 1
