"""Training on real files: what it writes, resuming, what it leaves alone."""

import json
import multiprocessing
import signal
import time
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from dismo_core import DisMoError
from dismo_core.motiondirector import DualPathLoRA, find_adapter
from dismo_core.motiondirector.cache import CachedClip, read_cache
from dismo_core.motiondirector.clips import Size, folder_clips, given_clip, picture_clips, readable_clips, video_chunks
from dismo_core.motiondirector.config import Preview, RunConfig
from dismo_core.motiondirector.runs import run_training
from dismo_core.motiondirector.sampling import VideoSettings, sample_videos
from dismo_core.motiondirector.training import TrainingSettings, train_adapters
from dismo_core.runtime import Runtime
from dismo_core.text_to_video import load_text_to_video

QUICK = TrainingSettings(steps=6, rank=4, learning_rate=1e-2, save_every=2, seed=3, checkpointing=False)


@pytest.fixture(scope="module")
def base(toy_base_folder):
    return load_text_to_video(toy_base_folder)


def clips(count=2, frames=3, inversion=False):
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(1, 4, frames, 8, 8, generator=generator) for _ in range(2 * count)]
    return [CachedClip(f"clip {i}", f"a {i}", made[i], made[count + i] if inversion else None) for i in range(count)]


def weights(paths):
    found = {}
    for path in paths.values():
        with safe_open(path, framework="pt") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}
    return found


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Stop(Exception):
    pass


def stopping_at(step):
    def progress(done, total, picture):
        if done == step:
            raise Stop

    runtime = Runtime.cpu()
    runtime.progress = progress
    return runtime


@pytest.mark.parametrize("stop", [1, 5])
def test_a_stopped_run_ends_as_an_unbroken_one(base, tmp_path, stop):
    whole = weights(train_adapters(base, clips(), QUICK, tmp_path / "whole"))
    with pytest.raises(Stop):
        train_adapters(base, clips(), QUICK, tmp_path / "parts", runtime=stopping_at(stop))
    assert "low_rank_updates" not in "".join(base.unet.state_dict())  # the base is as it was
    assert same(whole, weights(train_adapters(base, clips(), QUICK, tmp_path / "parts")))


def test_killed_five_times_it_ends_in_equal_files(base, tmp_path):
    """kill -9 as soon as a further checkpoint is there; on a busy machine a run may have come further by then."""
    settings = replace(QUICK, steps=14)
    whole = train_adapters(base, clips(), settings, tmp_path / "whole")
    forked = multiprocessing.get_context("fork")
    for count in range(1, 6):
        process = forked.Process(target=train_adapters, args=(base, clips(), settings, tmp_path / "killed"))
        process.start()
        while process.is_alive() and not (tmp_path / "killed" / f"checkpoint-{2 * count}" / "temporal").exists():
            time.sleep(0.001)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, count
    ended = train_adapters(base, clips(), settings, tmp_path / "killed")
    assert same(weights(whole), weights(ended))
    assert not [path for path in (tmp_path / "killed").rglob(".*") if path.is_file()], "nothing half-written stays"


def test_the_host_is_asked_for_memory(base, tmp_path):
    runtime, asked = Runtime.cpu(), []
    runtime.free_memory = asked.append
    base.plan.release()
    train_adapters(base, clips(), replace(QUICK, steps=1), tmp_path, runtime=runtime)
    sample_videos(base, VideoSettings(prompt="a", width=16, height=16, frames=2, steps=1), runtime=runtime)
    assert len(asked) == 2 and min(asked) >= base.plan.bytes_of_weights()


def test_a_finished_run_is_not_trained_again(base, tmp_path):
    steps = []
    for _ in range(2):
        train_adapters(base, clips(), QUICK, tmp_path, report=lambda done, total, row: steps.append(done))
    assert steps == [1, 2, 3, 4, 5, 6]


def test_motion_and_appearance_are_learned(base, tmp_path):
    settings = replace(QUICK, steps=30, save_every=30, dropout=0.0, skip=0.0)
    rows = []
    train_adapters(base, clips(1), settings, tmp_path, report=lambda done, total, row: rows.append(row))
    for part in ("appearance", "motion"):
        values = [row[part] for row in rows]
        assert sum(values[-10:]) < 0.95 * sum(values[:10])
    assert rows[-1]["motion_update"] > 0.01


def test_a_clip_trains_its_own_appearance_alone(base, tmp_path):
    """Two steps of the first clip, none of the third."""
    settings = replace(QUICK, steps=2, skip=0.0)
    paths = train_adapters(base, clips(3), settings, tmp_path)
    found = weights({"appearance": paths["appearance"]})
    trained = {
        k: any(bool(v.any()) for name, v in found.items() if name.startswith(f"appearance.{k}.") and "lora_up" in name)
        for k in range(3)
    }
    assert trained == {0: True, 1: True, 2: False}


def test_activation_checkpointing_changes_no_number(base, tmp_path):
    plain = weights(train_adapters(base, clips(), QUICK, tmp_path / "a"))
    kept = weights(train_adapters(base, clips(), replace(QUICK, checkpointing=True), tmp_path / "b"))
    assert max(float((plain[name] - kept[name]).abs().max()) for name in plain) < 1e-5


def test_warm_start_and_single_appearance(base, tmp_path):
    settings = replace(QUICK, single_appearance=True)
    first = train_adapters(base, clips(), settings, tmp_path / "first")
    assert {int(name.split(".")[1]) for name in weights(first)} == {0}
    again = replace(
        QUICK, steps=1, save_every=1, learning_rate=1e-9, warm_start=str(tmp_path / "first"), weight_decay=0
    )
    warm = weights(train_adapters(base, clips(), again, tmp_path / "second"))
    expected = weights(first)
    for name, value in warm.items():
        part, _, layer = name.split(".", 2)
        torch.testing.assert_close(value, expected[f"{part}.0.{layer}"], atol=1e-6, rtol=0)


def test_half_precision(toy_base_folder, tmp_path):
    base = load_text_to_video(toy_base_folder, dtype=torch.bfloat16)
    found = weights(train_adapters(base, clips(), QUICK, tmp_path))
    assert all(value.dtype is torch.float32 and value.isfinite().all() for value in found.values())


def test_files_of_a_whole_run(base, tmp_path, real_clip, photograph):
    config = RunConfig(
        base="", output=tmp_path, clips=lambda: video_chunks(real_clip, "a man talks", frames=3, fps=4, end=1.75),
        size=Size(24, 16), training=replace(QUICK, steps=4),
        preview=Preview(every=2, frames=2, steps=2, guidance=1, noise_prior=0.5), fps=4,
    )  # fmt: skip
    stages = []
    runtime = Runtime.cpu()
    runtime.stage = stages.append
    done = run_training(base, config, tmp_path / "run", runtime=runtime)
    run = tmp_path / "run"
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"sampled.png", "curves.png", "log.jsonl", "samples/2_a_man_talks.mp4", "samples/4_a_man_talks.mp4"} <= files
    assert {f"checkpoint-2/{part}/lora/2_unet.safetensors" for part in ("spatial", "temporal")} <= files
    assert done.adapters["motion"] == find_adapter(run, "motion") == run / "temporal/lora/4_unet.safetensors"
    cached = read_cache(run)
    assert [tuple(clip.latents.shape) for clip in cached] == [(1, 4, 3, 8, 12)] * 2  # of seven frames the last is alone
    assert all(clip.inversion is not None and clip.caption == "a man talks" for clip in cached)
    with safe_open(done.adapters["motion"], framework="pt") as file:
        about = file.metadata()
    assert {about[key] for key in ("width", "height", "prompt", "rank")} == {"24", "16", "a man talks", "4"}
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4] and rows[1]["motion_update"] > 0
    assert "encoding the clips" in stages and "training" in stages
    lora = DualPathLoRA.from_files(base.unet, motion=run, appearance=run)
    assert lora.appearances == len(cached)
    lora.remove()
    with pytest.raises(DisMoError, match=r"another run: width was 24 and is now 32"):
        run_training(base, replace(config, size=Size(32, 16)), run)
    with pytest.raises(DisMoError, match=r"holds another run: learning_rate was 0.01"):
        run_training(base, replace(config, training=replace(config.training, learning_rate=1e-3)), run)


def test_mirrored_pictures(base, tmp_path, photograph):
    config = RunConfig(
        base="", output=tmp_path, clips=lambda: picture_clips(photograph, "a flower", repeated=2), size=Size(16, 16),
        training=replace(QUICK, motion=False, flip=1.0, steps=2),
    )  # fmt: skip
    done = run_training(base, config, tmp_path / "run")
    assert list(done.adapters) == ["appearance"]
    cached = read_cache(tmp_path / "run")[0]
    assert cached.mirrored is not None and not torch.allclose(cached.mirrored[0], cached.latents, atol=0.3)


def test_clips_that_cannot_be_read_are_named(tmp_path, real_clip, caplog):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"no video")
    (tmp_path / "c.mp4").write_bytes(real_clip.read_bytes())
    (tmp_path / "c.txt").write_text("a man\ntalks")
    with pytest.raises(DisMoError, match=r"2 of the clips cannot be read. a: .* b: "):
        readable_clips(folder_clips(tmp_path, fallback="fallback"))
    (clip,) = readable_clips(folder_clips(tmp_path, fallback="fallback", frames=4), skip_bad=True)
    assert clip.caption == "a man talks" and len(clip.read()) == 4 and "Left out: a" in caplog.text


def test_names_are_told_apart_and_repeats_are_not(tmp_path):
    frames = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    one, other = given_clip("x", "a", frames), given_clip("x", "b", frames)
    assert [clip.name for clip in readable_clips([one, other, one])] == ["x", "x~1", "x"]


BAD = {
    "single frame": (dict(), clips(1, frames=1)),
    "steps must be at least 1, not 0": (dict(steps=0), clips()),
    "flip is a share": (dict(flip=2.0), clips()),
    "mirrored clip moves the other way": (dict(flip=0.5), clips()),
    "learning_rate must be above 0": (dict(learning_rate=0.0), clips()),
    "Neither motion nor appearance": (dict(motion=False, appearance=False), clips()),
    "Convolutions over frames": (dict(convolutions=True, motion=False), clips()),
    "no clip to learn from": (dict(), []),
    "no optimizer 'lion'": (dict(optimizer="lion"), clips()),
    "not finite at step .* computed in torch.float32": (dict(learning_rate=1e30), clips()),
}


@pytest.mark.parametrize(("message", "case"), BAD.items())
def test_what_cannot_be_trained(base, tmp_path, message, case):
    changes, given = case
    with pytest.raises(DisMoError, match=message):
        train_adapters(base, given, replace(QUICK, **changes), tmp_path)
    DualPathLoRA(base.unet).remove()  # nothing was left in the base


@pytest.mark.parametrize("size", [(20, 16, "crop"), (384, 352, "official"), (16, 16, "squash"), (0, 8, "crop")])
def test_sizes_that_cannot_be(size):
    with pytest.raises(DisMoError):
        Size(*size)
