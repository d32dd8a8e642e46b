"""Every option of every command has an effect, is refused, or a line says why it has none."""

from __future__ import annotations

import argparse
import importlib
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from content_motion_option_cases import AUTOENCODER, CONTENT_MOTION, LATENT
from demo_t2v_option_cases import DEMO_T2V
from gaussians4d_option_cases import FOUR_D
from mimo_option_cases import MIMO
from motiondirector_option_cases import MOTIONDIRECTOR
from option_cases import MOTION, SITUATIONS, Layered, Model
from PIL import Image
from situations import STOP

from dismo_core.cli.main import main, make_parser
from dismo_core.content_motion.checkpoints import save_model
from dismo_core.dismo.motion import Motion

BASE = Path(__file__).parents[1] / "goldens" / "tiny-CogVideoX-I2V"
GENERAL = {"help", "version", "debug", "command"}


class Stopped(Exception):
    pass


def leaf_commands(parser, words=()):
    """Words of each command -> its options, as (name, words) pairs."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if words and (not below or not below[0].required):
        yield words, [a for a in parser._actions if a.option_strings and a.dest not in GENERAL]
    for action in below:
        for word, child in action.choices.items():
            yield from leaf_commands(child, (*words, word))


COMMANDS = dict(leaf_commands(make_parser()))
SITUATIONS |= MIMO | MOTIONDIRECTOR | DEMO_T2V | FOUR_D | CONTENT_MOTION
ALL = [(name, case) for name, situation in SITUATIONS.items() for case in situation.cases]


def options_of(situation):
    words = situation.words.split()
    command = next(words[:count] for count in (3, 2, 1) if tuple(words[:count]) in COMMANDS)
    return COMMANDS[tuple(command)]


def test_every_command_has_a_situation():
    printed = {
        words for words in COMMANDS if any(s.words.split()[: len(words)] == list(words) for s in SITUATIONS.values())
    }
    assert printed == COMMANDS.keys()


@pytest.mark.parametrize("name", [name for name, situation in SITUATIONS.items() if not situation.more])
def test_every_option_has_a_case_in_every_situation(name):
    cased = {case.option for case in SITUATIONS[name].cases} | {
        word for word in SITUATIONS[name].words.split() if word == "--check"
    }
    for action in options_of(SITUATIONS[name]):
        assert cased & set(action.option_strings), f"{name}: nobody says what becomes of {action.option_strings[0]}"


@pytest.fixture(scope="module")
def files(tmp_path_factory, real_clip, photograph):
    """Names in the words -> paths."""
    root = tmp_path_factory.mktemp("files")
    for folder in ("clips", "full", "frames", "shards", "labelled/a", "labelled/b", "twice/a/x", "twice/b/x"):
        (root / folder).mkdir(parents=True)
        shutil.copy(real_clip, root / folder / "1.mp4")
        shutil.copy(real_clip, root / folder / "2.mp4")
    for frame in (root / "frames").iterdir():
        frame.unlink()
    Image.new("RGB", (8, 8)).save(root / "frames" / "00001.png")
    Image.open(photograph).resize((200, 100)).save(root / "wide.png")
    Image.new("RGBA", (64, 64)).save(root / "clear.png")
    (root / "full" / "config.json").write_text("{")
    for name in ("shards/a.tar", "more.tar", "video.mp4", "weights.pt"):
        (root / name).write_bytes(b"")
    shutil.copy(real_clip, root / "other.mp4")
    (root / "full" / "checkpoint").write_text("")
    for name in ("full/model4d.safetensors", "full/frames_4d.safetensors", "full/frames_refined.glb", "model.glb"):
        (root / name).write_bytes(b"")
    (root / "points.json").write_text("[[1, 2]]")
    video = f"train_data: {{single_video_path: {real_clip}, width: 64, height: 64}}"
    (root / "config.yaml").write_text(
        f"strange: 1\ngradient_checkpointing: true\ndataset_types: [single_video]\n{video}\n"
    )
    MOTION.save(root / "motion.safetensors")
    (root / "kept").mkdir()
    for name in ("pan-left", "drawn_path"):
        MOTION.save(root / "kept" / f"{name}.safetensors")
    LATENT.save(root / "latent.safetensors")
    save_model(AUTOENCODER, root / "autoencoder.safetensors")
    (root / "template").mkdir()
    shutil.copy(real_clip, root / "template" / "sdc.mp4")
    character = Image.new("RGBA", (64, 64))
    character.paste((200, 30, 30, 255), (20, 10, 40, 60))
    character.save(root / "character.png")
    Motion(torch.zeros(6, 4), 8.0, "", "0" * 16).save(root / "longer.safetensors")
    return {
        "clip": real_clip, "picture": photograph, "other": root / "other.mp4", "wide": root / "wide.png", "clear": root / "clear.png",
        "motion": root / "motion.safetensors", "longer": root / "longer.safetensors", "weights": root / "weights.pt",
        "video": root / "video.mp4", "frames": root / "frames", "full": root / "full", "clips": root / "clips",
        "shards": root / "shards", "more_shards": root / "more.tar", "labelled": root / "labelled",
        "template": root / "template", "character": root / "character.png",
        "twice_labelled": root / "twice", "base": BASE, "points": root / "points.json",
        "kept": root / "kept",
        "latent": root / "latent.safetensors",
        "autoencoder": root / "autoencoder.safetensors",
        "glb": root / "model.glb",
        "config": root / "config.yaml",
    }  # fmt: skip


def printed(value):
    """A value in a trace; of tensors shape and mean."""
    if isinstance(value, torch.Tensor):
        return f"{list(value.shape)} {value.float().mean():.6f}"
    if isinstance(value, Sequence) and not isinstance(value, str | list | tuple):
        return f"{len(value)} frames"
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))  # functions, by their names


@pytest.fixture
def outcome(files, tmp_path, monkeypatch, capsys, caplog):
    """Function: words -> (exit code or "stopped", the calls, the error or the log)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    trace = []

    def traced(name, result):
        def call(*values, **named):
            inside = [*map(printed, values), *(f"{key}={printed(value)}" for key, value in named.items())]
            trace.append(f"{name}({', '.join(inside)})")
            if result is STOP:
                raise Stopped
            return result

        return call

    def run(words, replaced):
        for target, result in replaced.items():
            module, _, name = target.rpartition(".")
            if isinstance(result, Model | Layered):
                monkeypatch.setattr(result, "trace", traced("transfer", None), raising=False)
            elif getattr(result, "transfer", None) is STOP:
                result = type(result)(**{**vars(result), "transfer": traced("transfer", STOP)})
            monkeypatch.setattr(importlib.import_module(module), name, traced(name, result))
        trace.clear()
        caplog.clear()
        with caplog.at_level(logging.INFO):
            try:
                code = main([word.format(**files) for word in words.split()])
            except Stopped:
                code = "stopped"
        captured = capsys.readouterr()
        return code, "\n".join(trace), captured.err + caplog.text

    return run


@pytest.mark.parametrize(("name", "case"), ALL, ids=[f"{name}: {case.words}" for name, case in ALL])
def test_an_option_is_used_or_refused_or_explained(name, case, outcome, files):
    situation = SITUATIONS[name]
    text = case.text.format(**files)
    code, calls, said = outcome(f"{situation.words} {case.beside} {case.words}", situation.traced)
    if case.outcome == "refused":
        assert code == 2 and text in said and case.option in said, said
        assert calls == ""  # at once
    elif case.outcome == "said":
        assert text in said and case.option in said
    else:
        assert text in calls + said, (code, calls, said)
        assert (code, calls, said) != outcome(f"{situation.words} {case.beside}", situation.traced)
