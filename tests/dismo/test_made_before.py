"""Files that versions before the move of the folders made (2026-11): they load, and a run goes on from its checkpoint."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

import dismo_core as dismo

BEFORE = Path(__file__).parent / "made_before"


def test_a_motion_loads(extractor):
    motion = dismo.Motion.load(BEFORE / "motion.safetensors")
    assert (motion.frames, motion.fps, motion.source) == (13, 8.0, "drawn_clip.mp4")
    assert motion.extractor == extractor.extractor_id
    from dismo_core.assets.examples import example

    again = dismo.extract_motion(extractor, example("drawn")[0], frames=13)
    assert torch.allclose(again.embeddings, motion.embeddings, atol=1e-4)
    assert torch.allclose(again.still, motion.still, atol=1e-4)


def test_a_run_is_resumed_from_its_checkpoint(tmp_path, monkeypatch, caplog):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "training"))
    import micro

    encoder = micro.ENCODER | dict(embed_dim=12, depth=1)
    sizes = dict(width=16, depth=1, d_head=16, d_motion=8)
    preset = replace(
        micro.MICRO,
        extractor=lambda: dismo.MotionExtractor(**sizes, train_resolution=(8, 32, 32), frame_encoder=encoder),
        generator=lambda frozen: dismo.FrameGenerator(
            **sizes, mapping_width=16, source_encoder=encoder, autoencoder=frozen, train_resolution=(32, 32)
        ),
    )
    monkeypatch.setattr(micro, "MICRO", preset)
    shutil.copytree(BEFORE / "shards", tmp_path / "shards")
    (tmp_path / "run").mkdir()
    shutil.copy(BEFORE / "checkpoint_0000002.pt", tmp_path / "run")
    with caplog.at_level("INFO", "dismo_core"):
        micro.train(tmp_path / "run", tmp_path / "shards", micro.steps(3, save_every=1))
    assert "Resumed at step 2." in caplog.text
    assert (tmp_path / "run" / "checkpoint_0000003.pt").is_file()
