"""Motion Preset and Draw Motion: how widgets reach `dismo_core`, and that the page names the moves there are."""

from __future__ import annotations

import re

import pytest
import torch
from schema_reader import ROOT, read_schemas

from dismo_core.dismo.preset_table import PRESETS

NODES = {"DisMoMotionPreset": "motion_preset", "DisMoDrawMotion": "draw_motion"}


def defaults(node):
    return {port["id"]: port["default"] for port in read_schemas()[node]["inputs"] if "default" in port}


def test_node_and_documents_name_the_moves_that_there_are():
    options = next(port for port in read_schemas()["DisMoMotionPreset"]["inputs"] if port["id"] == "preset")["options"]
    assert options == list(PRESETS)
    for page in ("web/docs/DisMoMotionPreset.md", "docs/presets.md"):
        rows = re.findall(r"^(?:\| |- )`([\w-]+)`(?: \||:) (.+?)(?: \|)?$", (ROOT / page).read_text("utf-8"), re.M)
        table = [(name, words) for name, words in rows if name in PRESETS]
        assert table == [(move.name, move.words) for move in PRESETS.values()], page


def test_a_preset_with_all_defaults_is_the_bundled_one(pack):
    node = pack("nodes.dismo.motion_preset").MotionPreset
    (motion,) = node.execute(**defaults("DisMoMotionPreset"))
    assert torch.equal(motion.embeddings, pack("dismo_core").motion_preset("pan-left").embeddings)
    (weaker,) = node.execute(**defaults("DisMoMotionPreset") | {"strength": 0.5})
    assert torch.equal(weaker.embeddings, motion.with_strength(0.5).embeddings)


def test_a_preset_for_an_extractor_of_ones_own(pack):
    core = pack("dismo_core")
    other = core.MotionExtractor.tiny()
    node = pack("nodes.dismo.motion_preset").MotionPreset
    (motion,) = node.execute(**defaults("DisMoMotionPreset") | {"frames": 5, "extractor": other})
    assert (motion.extractor, motion.frames) == (other.extractor_id, 5)


def test_a_preset_for_another_model_says_what_makes_it(pack):
    """In the words of the page."""
    core = pack("dismo_core")
    hints = pack("nodes.shared.hints").HINTS
    with pytest.raises(core.DisMoError) as error:
        core.motion_preset("roll-left").require_extractor("0" * 16)
    said = str(error.value.spoken(hints))
    assert "Connect the extractor" in said and "dismo_core presets roll-left" in said


def test_draw_motion_follows_its_points_and_a_mask_in_their_place(pack):
    node = pack("nodes.dismo.draw_motion").DrawMotion
    (motion, sampled) = node.execute(**defaults("DisMoDrawMotion") | {"frames": 7, "width": 1024})
    assert motion.frames == 7 and sampled.shape == (7, 128, 256, 3)
    assert 0 <= float(sampled.min()) and 0.5 < float(sampled.max()) <= 1
    stroke = torch.zeros(1, 60, 60)
    stroke[:, 28:32, 5:55] = 1
    (level, square) = node.execute(**defaults("DisMoDrawMotion") | {"frames": 7, "points": "", "mask": stroke})
    assert square.shape == (7, 256, 256, 3) and not torch.equal(level.embeddings, motion.embeddings)
    (backwards, _) = node.execute(
        **defaults("DisMoDrawMotion") | {"frames": 7, "points": "", "mask": stroke, "reverse": True}
    )
    model = pack("dismo_core").load_layered_model("tiny")
    assert float(model.path(level).steps[:, 4].sum()) > 0.2 > -0.2 > float(model.path(backwards).steps[:, 4].sum())


def test_the_path_of_the_picture_in_the_documents_is_the_nodes_default():
    points = re.findall(r'"x": (\d+), "y": (\d+)', defaults("DisMoDrawMotion")["points"])
    arch = re.search(r"^ARCH = \"(.+)\"", (ROOT / "docs/pictures.py").read_text("utf-8"), re.M)[1]
    assert re.findall(r"\[(\d+), (\d+)\]", arch) == points
