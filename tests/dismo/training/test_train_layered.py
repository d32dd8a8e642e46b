"""Training of the layered model: labels that are what is seen, a head that reads them, a segmenter that finds things."""

import pytest
import torch

from dismo_core import DisMoError, load_layered_model, load_motion_extractor
from dismo_core.cli.main import main
from dismo_core.dismo.training.drawn_clips import ClipGenerator
from dismo_core.dismo.training.drawn_things import PictureGenerator
from dismo_core.dismo.training.fit_head import fit_head, read_drawn_clips
from dismo_core.dismo.training.readings import true_readings
from dismo_core.dismo.training.segmenter import mask_losses, train_segmenter
from dismo_core.training.loop import Schedule


def test_labels_are_what_is_seen_on_the_screen():
    """A camera that moves alone: warping frame i by the label gives frame i + gap."""
    from torch.nn.functional import grid_sample

    from dismo_core.dismo.layered.similarity import exponential

    drawn = ClipGenerator(64, seed=3)
    errors, stills = [], []
    for number in range(3):
        seen = drawn.seen_motion(number, 32, turning=0.5)
        truth = true_readings(seen, 64)
        alone = seen.trajectories.camera_moves & ~seen.trajectories.object_moves
        for clip in torch.nonzero(alone).flatten()[:6]:
            label = truth[clip, 0, 3].double()  # from frame 0 to frame 4
            step = exponential(torch.complex(label[2], label[3]), torch.complex(label[0], label[1]) * 64).inverse()
            axis = torch.arange(64, dtype=torch.float64) - 31.5
            points = step(torch.complex(axis.expand(64, 64), axis[:, None].expand(64, 64)))
            grid = torch.stack((points.real, points.imag), -1).float()[None] / 32
            first, last = (seen.frames[clip, t].movedim(-1, 0)[None] for t in (0, 4))
            warped = grid_sample(first, grid, align_corners=False, padding_mode="zeros")
            inside = (grid.abs() < 0.9).all(-1)
            errors.append(float((warped - last)[0, :, inside[0]].abs().mean()))
            stills.append(float((first - last)[0, :, inside[0]].abs().mean()))
    assert len(errors) > 5 and sum(errors) < 0.35 * sum(stills)


def test_a_thing_that_moves_alone_has_its_own_shift_only():
    seen = ClipGenerator(64, seed=4).seen_motion(0, 64, turning=0.0)
    truth = true_readings(seen, 64)
    alone = seen.trajectories.object_moves & ~seen.trajectories.camera_moves
    assert alone.any()
    assert truth[alone][..., :4].abs().max() < 1e-5 and truth[alone][..., 4:6].abs().max() > 0.05


def test_a_linear_world_is_read_exactly():
    rng = torch.Generator().manual_seed(0)
    embeddings = torch.randn(300, 4, 12, generator=rng)
    truth = (embeddings @ torch.randn(12, 32, generator=rng)).unflatten(-1, (4, 8))
    head, explained = fit_head(embeddings, truth, "a" * 16)
    torch.testing.assert_close(head(embeddings)[0], truth, atol=1e-3, rtol=1e-3)
    assert min(explained.values()) > 0.999 and head.extractor_id == "a" * 16


def test_readings_are_kept_and_go_on(tmp_path):
    extractor, keep = load_motion_extractor("tiny"), tmp_path / "readings.safetensors"
    short = read_drawn_clips(extractor, 32, seed=5, keep=keep)
    whole = read_drawn_clips(extractor, 64, seed=5, keep=keep)
    assert len(short[0]) == 32 and len(whole[0]) == 64
    fresh = read_drawn_clips(extractor, 64, seed=5)
    torch.testing.assert_close(whole, fresh)
    with pytest.raises(DisMoError, match="Choose another folder"):
        read_drawn_clips(extractor, 64, seed=6, keep=keep)


def test_pictures_are_a_function_of_seed_and_number():
    images, masks = PictureGenerator(1).batch(7, 20_000)
    again = PictureGenerator(1).batch(7, 20_000)
    assert torch.equal(images, again[0]) and torch.equal(masks, again[1])
    assert images.shape[1] == 3 and images.shape[-2:] == masks.shape[-2:] and 0 <= images.min() <= images.max() <= 1
    assert 0.01 < masks.mean() < 0.6


def test_a_right_mask_costs_least():
    masks = (torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    right, wrong = mask_losses(20 * masks - 10, masks), mask_losses(10 - 20 * masks, masks)
    assert right["loss"] < 0.01 and right["overlap"] > 0.98 and wrong["loss"] > 5


def test_the_segmenter_learns_and_resumes(tmp_path):
    schedule = Schedule(steps=12, lr=3e-3, warmup=1, average=None, save_every=6, log_every=3)
    whole = train_segmenter(tmp_path / "whole", schedule, pixels=16_384)
    rows = [(tmp_path / "whole" / "log.jsonl").read_text().splitlines()[k] for k in (0, -1)]
    first, last = (float(row.split('"loss": ')[1].split(",")[0]) for row in rows)
    assert last < first
    (tmp_path / "half").mkdir()
    train_segmenter(
        tmp_path / "half", Schedule(6, lr=3e-3, warmup=1, average=None, save_every=6, log_every=3), pixels=16_384
    )
    assert set(whole.state_dict()) == set(load_layered_model("tiny").segmenter.state_dict())


def test_fewer_clips_than_the_fit_needs_are_refused(tmp_path, capsys):
    assert main(["train", "layered", "--out", str(tmp_path), "--clips", "10"]) == 2
    assert "at least 1000" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_a_model_that_loads(tmp_path, capsys, monkeypatch):
    from dismo_core.dismo.training import fit_head as fitting

    monkeypatch.setattr(fitting, "BATCH", 250)
    assert main(["train", "layered", "--out", str(tmp_path), "--clips", "1000", "--steps", "0"]) == 0
    printed = capsys.readouterr()
    assert "R2 on unseen clips" in printed.out + printed.err
    model = load_layered_model(tmp_path / "layered_model.safetensors")
    assert model.extractor_id == load_motion_extractor("tiny").extractor_id
    bundled = load_layered_model("tiny").segmenter.state_dict()
    assert all(torch.equal(value, bundled[name]) for name, value in model.segmenter.state_dict().items())


def test_a_head_of_any_width_is_written_and_read(tmp_path):
    """Another extractor has embeddings of another width; its id goes along, and motions of others are refused."""
    from dismo_core import Motion
    from dismo_core.dismo.training.export import export_layered

    rng = torch.Generator().manual_seed(1)
    head, _ = fit_head(torch.randn(300, 4, 12, generator=rng), torch.randn(300, 4, 4, 8, generator=rng), "b" * 16)
    model = load_layered_model(export_layered(head, load_layered_model("tiny").segmenter, tmp_path), moves="scene")
    embeddings = torch.randn(9, 12, generator=rng)
    assert model.extractor_id == "b" * 16 and model.path(Motion(embeddings, 8.0, "", "b" * 16)).frames == 13
    with pytest.raises(DisMoError, match="Extract the motion again"):
        model.path(Motion(embeddings, 8.0, "", "c" * 16))
