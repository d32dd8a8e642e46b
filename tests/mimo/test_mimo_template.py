"""Templates in folders and zip files: what is read, what is written, what is refused."""

import gc
import json
import logging
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from mimo_goldens import golden, goldens

from dismo_core import DisMoError, mimo
from dismo_core.mimo.templates.stored_frames import KEPT
from dismo_core.video import Audio, probe, read_video, write_video


def numbered(frames, width=48, height=32, step=12):
    """Frames whose gray is their number times `step`."""
    video = np.zeros((frames, height, width, 3), np.uint8)
    video += (np.arange(frames) * step).astype(np.uint8)[:, None, None, None]
    return video


def numbers(video, step=12):
    return [round(float(frame.mean()) / step) for frame in video]


def template(frames=12, **options):
    video = numbered(frames)
    mask = np.zeros(video.shape[:3], np.uint8)
    mask[:, 8:24, 10:30] = 255
    return mimo.Template(sdc=video, vid=video, bk=video, mask=mask, occ=mask, **options)


@pytest.mark.parametrize("name", [name for name in goldens() if name.startswith("resample.")])
def test_resampling_by_numbers(name):
    assert mimo.resample_indices(*map(int, name.split(".")[1:])) == golden(name).tolist()


def test_rates_there_and_back():
    assert mimo.resample_indices(8, 24, 30) == [0, 0, 1, 2, 3, 4, 4, 5, 6, 7]
    assert mimo.resample_indices(10, 30, 15) == [0, 2, 4, 6, 8]
    assert mimo.resample_indices(3, 29.97, 30) == [0, 1, 2]


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_all_files_as_the_release_reads_them(tmp_path, suffix):
    path = tmp_path / f"dance{suffix}"
    template(fps=24).save(path)
    if suffix:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "dance")
    folder = tmp_path / "dance"
    assert {file.name for file in folder.iterdir()} == {
        "vid.mp4", "sdc.mp4", "bk.mp4", "mask.mp4", "occ.mp4", "config.json",
    }  # fmt: skip
    for file in folder.glob("*.mp4"):
        info = probe(file)
        assert (info.width, info.height, info.fps, info.frames) == (48, 32, 24, 12)
    config = json.loads((folder / "config.json").read_text())
    assert config.keys() == {"fps", "time_crop", "frame_crop", "layer_recover"}
    assert config["fps"] == 24 and config["time_crop"] == {"start_idx": 0, "end_idx": 15}
    loaded = mimo.Template.load(path)
    assert loaded.name == "dance"
    frames = loaded.read()
    assert numbers(frames.vid) == list(range(12)) and len(frames) == 12 and frames.fps == 24
    mask = template().mask
    assert np.abs(frames.mask.astype(int) - mask).max() <= 2 and frames.occ.shape == (12, 32, 48)


def test_what_is_missing_has_defaults(tmp_path):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(5)), 30)
    loaded = mimo.Template.load(tmp_path)
    assert (loaded.fps, loaded.start, loaded.end) == (30, 0, None)
    frames = loaded.read()
    assert (frames.bk == 255).all() and frames.bk.shape == (5, 32, 48, 3)
    assert frames.vid is None and frames.occ is None and frames.mask is None


def test_rate_range_and_limit(tmp_path):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(20)), 30)
    (tmp_path / "config.json").write_text(json.dumps({"fps": 15, "time_crop": {"start_idx": 6, "end_idx": 18}}))
    loaded = mimo.Template.load(tmp_path)
    # at 15 fps: 0 2 4 ... 18, of which numbers 3 to 8 are used
    assert numbers(loaded.read().sdc) == [6, 8, 10, 12, 14, 16]
    assert numbers(loaded.read(max_frames=2).sdc) == [6, 8]
    assert len(mimo.Template(sdc=tmp_path / "sdc.mp4", fps=24).read()) == 16


def test_the_shortest_video_counts(tmp_path, caplog):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(9)), 30)
    write_video(tmp_path / "vid.mp4", torch.from_numpy(numbered(6)), 30)
    with caplog.at_level(logging.WARNING):
        assert len(mimo.Template.load(tmp_path).read()) == 6
    assert "sdc 9" in caplog.text and "vid 6" in caplog.text


def test_frames_stay_in_their_files(tmp_path):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(20)), 30)
    frames = mimo.Template.load(tmp_path).open().sdc
    order = [0, 1, 5, 3, 19, 0, 7]
    assert [numbers([frames[index]])[0] for index in order] == order
    assert numbers(frames[4:7]) == [4, 5, 6]
    assert len(frames._kept) <= KEPT


def test_the_sound_of_the_range(tmp_path):
    wave = torch.zeros(1, 48000)
    wave[:, 24000:] = 0.5 * torch.sin(torch.arange(24000) / 8)
    write_video(tmp_path / "vid.mp4", torch.from_numpy(numbered(30, step=8)), 30, audio=Audio(wave, 48000))
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(30, step=8)), 30)
    early, late = (mimo.Template(sdc=tmp_path / "sdc.mp4", vid=tmp_path / "vid.mp4", start=s) for s in (0, 16))
    assert early.audio(12).waveform.abs().mean() < 0.02 < 0.2 < late.audio(12).waveform.abs().mean()
    assert abs(late.audio(12).waveform.shape[1] - 0.4 * 48000) <= 1
    assert template().audio(3) is None


def test_a_template_is_replaced_only_when_asked(tmp_path):
    template().save(tmp_path / "t")
    with pytest.raises(DisMoError, match="exists already"):
        template().save(tmp_path / "t")
    template(frames=3).save(tmp_path / "t", overwrite=True)
    assert len(mimo.Template.load(tmp_path / "t").read()) == 3
    (tmp_path / "t" / "notes.txt").write_text("mine")
    with pytest.raises(DisMoError, match="notes.txt"):
        template().save(tmp_path / "t", overwrite=True)
    assert (tmp_path / "t" / "notes.txt").read_text() == "mine"


def test_nothing_is_left_of_a_template_that_cannot_be_written(tmp_path):
    bad = mimo.Template(sdc=np.zeros((2, 8, 8, 3), np.uint8), vid=tmp_path / "gone.mp4")
    with pytest.raises(DisMoError):
        bad.save(tmp_path / "t")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither sdc"),
        ({"sdc": "x.mp4", "occ": "x.mp4"}, "no vid"),
        ({"sdc": "x.mp4", "fps": 0}, "fps of a template.*not 0"),
        ({"sdc": "x.mp4", "start": -1}, "-1"),
        ({"sdc": "x.mp4", "start": 9, "end": 3}, "ends at frame 3"),
    ],
)
def test_templates_that_cannot_be(options, message):
    with pytest.raises(DisMoError, match=message):
        mimo.Template(**options)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "as JSON"),
        ("[]", "JSON list"),
        ('{"fps": 0}', "config.json: fps.*not 0"),
        ('{"fps": "30"}', "not '30'"),
        ('{"time_crop": {"start_idx": -2}}', "-2"),
        ('{"time_crop": {"start_idx": 9, "end_idx": 4}}', "ends at frame 4"),
        ('{"time_crop": 5}', "time_crop.*not 5"),
        ('{"time_crop": {"start_idx": 500}}', "leaves none of its 4 frames"),
    ],
)
def test_bad_settings(tmp_path, config, message):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(4)), 30)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(DisMoError, match=message):
        mimo.Template.load(tmp_path).read()


def test_bad_videos(tmp_path):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(numbered(4)), 30)
    write_video(tmp_path / "bk.mp4", torch.from_numpy(numbered(4, width=64)), 30)
    with pytest.raises(DisMoError, match="sdc 48x32, bk 64x32"):
        mimo.Template.load(tmp_path).read()
    (tmp_path / "bk.mp4").write_bytes(b"no video")
    with pytest.raises(DisMoError, match="bk.mp4"):
        mimo.Template.load(tmp_path).read()
    with pytest.raises(DisMoError, match="no template"):
        mimo.Template.load(tmp_path / "nowhere")
    with pytest.raises(DisMoError, match="max_frames"):
        template().read(max_frames=0)
    with pytest.raises(DisMoError, match="mask of a template must be uint8"):
        mimo.Template(mask=np.zeros((2, 4, 4, 3), np.uint8)).read()


@pytest.mark.parametrize("name", ["../vid.mp4", "/vid.mp4", "a/../../sdc.mp4", "C:\\vid.mp4", "..\\sdc.mp4"])
def test_a_zip_that_leads_out_of_its_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(DisMoError, match="leads out of the folder"):
        mimo.Template.load(tmp_path / "t.zip")


def test_a_zip_that_grows_without_end(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sdc.mp4", bytes(64 << 20))
    with pytest.raises(DisMoError, match="67,108,864"):
        mimo.Template.load(tmp_path / "t.zip")
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DisMoError, match="not a whole zip"):
        mimo.Template.load(tmp_path / "bad.zip")


def test_a_zip_of_the_folder_itself(tmp_path):
    template(frames=3).save(tmp_path / "t")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for file in (tmp_path / "t").iterdir():
            archive.write(file, f"t/{file.name}")
        archive.writestr("t/readme.txt", "more")
    assert len(mimo.Template.load(tmp_path / "t.zip").read()) == 3


def test_masks_keep_their_levels(tmp_path):
    levels = np.repeat(np.arange(0, 256, 8, dtype=np.uint8), 2)[None, None].repeat(2, 0).repeat(32, 1)
    mimo.Template(mask=levels).save(tmp_path / "t")
    stored = read_video(tmp_path / "t" / "mask.mp4").frames[..., 0].numpy()
    assert np.abs(stored[:, 16].astype(int) - levels[:, 16]).max() <= 4


def test_frames_of_a_zip_outlive_its_template(tmp_path):
    template(frames=3).save(tmp_path / "t.zip")
    frames = mimo.Template.load(tmp_path / "t.zip").open().sdc[1:]
    gc.collect()
    assert numbers(frames) == [1, 2]


def test_the_names_load_no_torch():
    code = "import sys; from dismo_core import mimo; mimo.plan_crops; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(hasattr(mimo, name) for name in mimo.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        mimo.nothing  # noqa: B018
