"""Widget values that no page would send, from a workflow by a stranger: each node gives a result or says what is wrong."""

from __future__ import annotations

import math
import types
from fractions import Fraction

import pytest
import torch
from schema_reader import read_schemas

VALUES = {  # what a linked number or text can be: ComfyUI checks the ranges of typed-in ones alone
    "INT": (-(2**70), -1, 0, 1, 10**6, 2**31, 2**63, 2**70),
    "FLOAT": (-1e30, -1.0, 0.0, 1e-9, 1e9, 1e308, math.nan, math.inf, -math.inf),
    "STRING": ("..", "\0", "\ud800", "\u202e\U0001f3ac", "CON", "aux/nul.", "x" * 10_000, "%date:%"),
}
NODES = ("ExtractMotion", "MotionTransferSample", "DisMoSaveVideo", "DisMoSaveMotion", "DisMoLoadMotion")
NODES += ("DisMoEditMotion", "DisMoMixMotion", "DisMoPlotMotion")
NODES += ("DisMoLoadLayeredModel", "DisMoMotionTracks", "DisMoTracksFromVideo", "DisMoWhatMoves")
ONE_CLIP = ("ExtractMotion", "DisMoTracksFromVideo", "DisMoWhatMoves")  # of the two that they can take
OPERATIONS = ("trim", "loop", "hold", "pause", "concatenate", "reverse order", "strength")
GRAPHS = [(node, {}) for node in NODES if node not in ("DisMoEditMotion", *ONE_CLIP)]
GRAPHS += [(node, {other: None}) for node in ONE_CLIP for other in ("video", "images")]
GRAPHS += [("DisMoEditMotion", {"operation": operation}) for operation in OPERATIONS]
GRAPHS += [("DisMoMixMotion", {"mode": "chain"}), ("DisMoSaveMotion", {"place": "output"})]


class Enough(BaseException):
    """As ComfyUI's interrupt, of a run that would take days."""


class Bar:
    """ComfyUI's progress bar, which raises when the user cancels."""

    limit = 2

    def __init__(self, total):
        self.calls = 0

    def update_absolute(self, *_):
        self.calls += 1
        if self.calls > self.limit:
            raise Enough


@pytest.fixture
def comfy(pack, monkeypatch):
    """Function: a node's id -> its class, and what its sockets take."""
    import comfy.utils

    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    core = pack("dismo_core")
    pack("nodes.dismo.model_files").register_folder()
    pack("nodes.dismo.motion_files").register_folder()
    extractor = core.load_motion_extractor("tiny")
    model = pack("dismo_core.dismo.rollout").FrameGeneratorModel(core.load_frame_generator("tiny"))
    layered = core.load_layered_model("tiny")
    motion = core.Motion(torch.randn(5, 32), 8.0, "clip.mp4", extractor.extractor_id, torch.ones(32))
    components = types.SimpleNamespace(images=torch.rand(6, 32, 32, 3), frame_rate=Fraction(8), audio=None)
    video = types.SimpleNamespace(get_components=lambda: components)
    sockets = {"DISMO_MOTION": motion, "DISMO_EXTRACTOR": extractor, "DISMO_VIDEO_MODEL": model, "VIDEO": video}

    def find(node):
        for name in (
            "dismo.extract",
            "dismo.sample",
            "shared.save",
            "dismo.motion_library",
            "dismo.motion_edit",
            "dismo.motion_plot",
            "dismo.loaders",
            "dismo.motion_tracks",
            "dismo.what_moves",
        ):
            for found in vars(pack(f"nodes.{name}")).values():
                if isinstance(found, type) and found.__name__ == read_schemas()[node]["class"]:
                    found.hidden = types.SimpleNamespace(prompt=None, extra_pnginfo=None)
                    images = torch.rand(5 if node in ONE_CLIP else 1, 32, 32, 3)
                    short = {"DISMO_MOTION": motion.trimmed(5)} if node == "MotionTransferSample" else {}
                    other = {"DISMO_VIDEO_MODEL": layered} if node == "DisMoMotionTracks" else {}
                    return found, sockets | {"IMAGE": images} | short | other
        raise AssertionError(node)

    return find


@pytest.mark.parametrize(
    ("node", "chosen"),
    GRAPHS,
    ids=[" ".join((node, *(value or f"without {name}" for name, value in c.items()))) for node, c in GRAPHS],
)
def test_any_value_of_a_widget_is_used_or_refused_in_words(pack, comfy, tmp_path, monkeypatch, node, chosen):
    error = pack("dismo_core").DisMoError
    found, sockets = comfy(node)
    monkeypatch.setattr(Bar, "limit", 0 if node == "MotionTransferSample" else 2)  # the first half step is enough there
    ports = {port["id"]: port for port in read_schemas()[node]["inputs"] if port["type"] != "AUDIO"}
    widgets = {name: port["default"] for name, port in ports.items() if "default" in port} | chosen
    inputs = {name: sockets[port["type"]] for name, port in ports.items() if port["type"] in sockets}
    tried = 0
    for name, port in ports.items():
        for value in () if "prompt" in name else VALUES.get(port["type"], ()):
            before = {path for path in tmp_path.rglob("*") if path.is_file()}
            tried += 1
            try:
                found.execute(**inputs | widgets | {name: value})
            except (error, Enough) as said:
                assert isinstance(said, Enough) or len(str(said)) > 20, (name, value)
                assert {path for path in tmp_path.rglob("*") if path.is_file()} == before, (name, value)
            except BaseException as other:
                raise AssertionError(f"{name} = {value!r:.50}: {type(other).__name__}: {other}") from other
            new = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
            assert new <= {"output", "models"}, (name, value)
    assert tried or node == "DisMoPlotMotion"
