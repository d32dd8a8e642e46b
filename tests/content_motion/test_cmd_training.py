"""The three stages by the published commands, on twelve made clips: they run, resume, find each other, in one process and two."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from cmd_models import made_clips

from dismo_core import DisMoError
from dismo_core import content_motion as cm
from dismo_core.cli.main import main
from dismo_core.content_motion.checkpoints import read_checkpoint
from dismo_core.content_motion.kinds import AUTOENCODER, CONTENT_MODEL, MOTION_MODEL
from dismo_core.content_motion.training.run_files import PublishedCheckpoints
from dismo_core.weights.files import read_weights

# As the README of the release prints them, with sizes that a test can train.
PUBLISHED = "--dataset-name UCF101 --global-batch-size 4 --mode pixel"
SMALL = "--image-size 16 16 --n_frames 8 --width 32 --depth 1 --num-workers 0 --device cpu --log-every 1"
DIT = "--heads 2 --sampling-steps 2"
STAGES = {"ae": AUTOENCODER, "motion": MOTION_MODEL, "content": CONTENT_MODEL}
RUNS = {"ae": "ProjectedAutoencoder", "motion": "MotionDiffusion", "content": "ContentDiffusion"}


@pytest.fixture(autouse=True)
def _with_gradients():
    with torch.enable_grad():
        yield


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return made_clips(tmp_path_factory.mktemp("clips"))


def words(stage, clips, results, more="--max-steps 2 --ckpt-every 2"):
    dit = "" if stage == "ae" else DIT
    return f"content-motion train-{stage} --data-path {clips} --results-dir {results} {PUBLISHED} {SMALL} {dit} {more}".split()


def train(*given):
    assert main(words(*given)) == 0


def last(results, stage, number="*"):
    (path,) = results.glob(f"{number}-{RUNS[stage]}/checkpoints/last.pt")
    return read_checkpoint(path, STAGES[stage])


def rows(results, stage):
    (path,) = results.glob(f"*-{RUNS[stage]}/log.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    """All three stages, two steps each."""
    results = tmp_path_factory.mktemp("results") / "runs"
    with torch.enable_grad():
        for stage in STAGES:
            train(stage, clips, results)
    return results


def test_each_stage_leaves_what_the_release_leaves_and_what_the_next_takes(trained):
    assert sorted(p.name for p in trained.iterdir()) == [f"{n:03d}-{name}" for n, name in enumerate(RUNS.values())]
    for stage, entries in {
        "ae": {"autoenc"}, "motion": {"mdiff_model", "ema"}, "content": {"cdiff_model", "ema"},
    }.items():  # fmt: skip
        (run,) = trained.glob(f"*-{RUNS[stage]}")
        assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["0000002.pt", "last.pt"]
        content = torch.load(run / "checkpoints" / "last.pt", weights_only=False)
        assert entries | {"opt", "args"} <= content.keys()
        assert content["args"].image_size == [16, 16] and content["args"].n_frames == 8
        assert "Training a CMD" in (run / "log.txt").read_text()
        assert (run / "previews" / "0000002.webp").is_file()
    assert "sha256" in next(trained.glob("*-MotionDiffusion")).joinpath("log.txt").read_text()
    whole = trained / "whole"
    whole.mkdir()
    for name, stage in (("autoencoder", "ae"), ("motion_model", "motion"), ("content_model", "content")):
        shutil.copy(next(trained.glob(f"*-{RUNS[stage]}")) / f"{name}.safetensors", whole)
    model = cm.load_content_motion(whole)
    shutil.rmtree(whole)
    assert model.size == (16, 16) and model.frames == 8 and model.content_model.num_classes == 3
    assert torch.equal(
        cm.load_autoencoder(next(trained.glob("*-Projected*/checkpoints/last.pt"))).pre_xt.weight,
        model.autoencoder.pre_xt.weight,
    )
    numbers = rows(trained, "ae")
    assert [row["step"] for row in numbers] == [1, 2] and {"l1", "psnr", "over_mean_frame"} <= numbers[1].keys()
    assert {"mse", "vlb", "motion"} <= rows(trained, "motion")[1].keys()


@pytest.mark.parametrize("stage", STAGES)
def test_a_resumed_run_equals_the_unbroken_one_bit_for_bit(stage, trained, clips, tmp_path):
    if stage != "ae":  # what it is trained on
        shutil.copytree(next(trained.glob("*-Projected*")), tmp_path / "parts" / "000-ProjectedAutoencoder")
        shutil.copytree(next(trained.glob("*-Projected*")), tmp_path / "whole" / "000-ProjectedAutoencoder")
    train(stage, clips, tmp_path / "whole", "--max-steps 4 --ckpt-every 4")
    train(stage, clips, tmp_path / "parts", "--max-steps 2 --ckpt-every 4")
    train(stage, clips, tmp_path / "parts", "--max-steps 4 --ckpt-every 4 --resume")
    found, wanted = (last(tmp_path / part, stage).file.tensors for part in ("parts", "whole"))
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    assert [row["loss"] for row in rows(tmp_path / "parts", stage)] == [
        row["loss"] for row in rows(tmp_path / "whole", stage)
    ]
    (place,) = (tmp_path / "parts").glob(f"*-{RUNS[stage]}/checkpoints")  # and the run goes on in its folder
    assert sorted(p.name for p in place.iterdir()) == ["0000004.pt", "last.pt"]


def test_two_processes_give_the_losses_of_one(trained, clips, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "dismo_core"]
    own = ["--nnodes=1", "--nproc_per_node=2"]
    commands = {  # as printed: torchrun for the autoencoder, the others start their processes themselves
        "ae": [*torchrun, *words("ae", clips, tmp_path)],
        "motion": ["-m", "dismo_core", *words("motion", clips, tmp_path), *own],
        "content": ["-m", "dismo_core", *words("content", clips, tmp_path), *own],
    }
    for command in commands.values():
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
    assert [row["l1"] for row in rows(tmp_path, "ae")] == pytest.approx(
        [row["l1"] for row in rows(trained, "ae")], abs=1e-4
    )
    for stage in ("motion", "content"):
        assert [row["mse"] for row in rows(tmp_path, stage)] == pytest.approx(
            [row["mse"] for row in rows(trained, stage)], abs=1e-3
        )


def test_the_learning_rate_acts(trained, clips, tmp_path):
    shutil.copytree(next(trained.glob("*-Projected*")), tmp_path / "000-ProjectedAutoencoder")
    train("motion", clips, tmp_path, "--max-steps 2 --ckpt-every 2 --lr 1e-2")
    faster, slow = last(tmp_path, "motion").file.tensors, last(trained, "motion").file.tensors
    assert not torch.equal(faster["final_layer.linear.weight"], slow["final_layer.linear.weight"])


def test_where_the_autoencoder_is_looked_for(trained, clips, tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.chdir(tmp_path)
    assert main(words("motion", clips, "runs")) == 2
    told = capsys.readouterr().err
    for place in ("a file that is given", "runs/*-ProjectedAutoencoder", "ckpts/UCF101/pixel/autoencoder/last.pt"):
        assert place in told
    place = tmp_path / "ckpts/UCF101/pixel/autoencoder"
    place.mkdir(parents=True)
    shutil.copy(next(trained.glob("*-Projected*/checkpoints/last.pt")), place)
    with caplog.at_level(logging.INFO):
        train("motion", clips, "runs", "--max-steps 1")
    assert "the published place" in caplog.text


def test_latents_are_encoded_once(trained, clips, tmp_path):
    shutil.copytree(next(trained.glob("*-Projected*")), tmp_path / "000-ProjectedAutoencoder")
    more = "--max-steps 2 --ckpt-every 2 --cache-latents --starts-per-clip 2"
    train("motion", clips, tmp_path, more)
    (file,) = tmp_path.glob("latents_*.safetensors")
    cached = read_weights(file).tensors
    assert cached["motion"].shape == (24, 8, 8, 16) and cached["content"].shape == (24, 3, 16, 16)
    autoencoder = cm.load_autoencoder(next(trained.glob("*-Projected*/checkpoints/last.pt")))
    folder = cm.VideoFolder(clips, 8, (16, 16), seed=0)
    with torch.no_grad():
        expected = autoencoder.encode(folder.clip(5, 1)["x"][None])
    torch.testing.assert_close(cached["motion"][17:18], expected.motion, atol=1e-5, rtol=0)
    assert int(cached["labels"][17]) == folder.clip(5, 1)["y"]
    written = file.stat().st_mtime_ns
    train("content", clips, tmp_path, more)  # of the same clips by the same autoencoder
    assert file.stat().st_mtime_ns == written and len(list(tmp_path.glob("latents_*"))) == 1


def test_videos_that_cannot_be_read_are_left_out_counted_and_listed(clips, tmp_path, caplog):
    shutil.copytree(clips, tmp_path / "clips")
    (tmp_path / "clips/class1/broken.mp4").write_bytes(b"no video")
    with caplog.at_level(logging.WARNING):
        train("ae", tmp_path / "clips", tmp_path / "runs", "--max-steps 4")  # more than an epoch
    assert "Left out (1 so far)" in caplog.text
    assert "broken.mp4" in next((tmp_path / "runs").glob("*/left_out.txt")).read_text()


def test_checkpoints_by_the_clock_take_the_place_of_each_other(clips, tmp_path):
    train("ae", clips, tmp_path, "--max-steps 5 --ckpt-every 2 --save-every-minutes 0.00001")
    (place,) = tmp_path.glob("*/checkpoints")
    assert sorted(p.name for p in place.iterdir()) == ["0000002.pt", "0000004.pt", "0000005.pt", "last.pt"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes as POSIX systems do")
def test_a_checkpoint_on_a_full_disk_is_a_clear_error_and_the_one_before_stays(tmp_path):
    import resource

    files = PublishedCheckpoints(AUTOENCODER, every=2)

    def save(step):
        state = {"step": step, "about": {}, "optimizer": {}, "model": {"weight": torch.full((10_000,), float(step))}}
        return files.save(tmp_path, step, state, keep=2)

    place = save(2).parent
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))
    try:
        with pytest.raises(DisMoError, match=r"(?s)Cannot write .*0000004.pt.*free space"):
            save(4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before and "last.pt" in before
    assert files.latest(tmp_path)["step"] == 2
    save(4)
    assert files.latest(tmp_path)["step"] == 4


def test_latent_mode_in_all_stages(clips, tmp_path):
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    blocks = 4
    AutoencoderKL(
        block_out_channels=[8] * blocks, norm_num_groups=4, latent_channels=4, layers_per_block=1,
        down_block_types=["DownEncoderBlock2D"] * blocks, up_block_types=["UpDecoderBlock2D"] * blocks,
    ).save_pretrained(tmp_path / "vae")  # fmt: skip
    more = f"--image-size 32 64 --mode latent --vae {tmp_path / 'vae'} --max-steps 1 --ckpt-every 1"
    for stage in STAGES:
        train(stage, clips, tmp_path / "runs", more)
    found = last(tmp_path / "runs", "ae")
    assert (
        json.loads(found.file.metadata["geometry"])["mode"] == "latent"
        and {"mse"} <= rows(tmp_path / "runs", "ae")[0].keys()
    )
    motion = json.loads(last(tmp_path / "runs", "motion").file.metadata["geometry"])
    assert motion["content_size"] == [4, 8] and motion["latent_size"] == [8, 6] and motion["content_channels"] == 4


WRONG = {
    "--global-batch-size 16": "fewer than the 16 of a batch",
    "--image-size 15 16": "cannot be cut into patches of 2",
    "--n-frames 1": "--n-frames must be at least 2, not 1",
    "--fold 4": "no fold 4",
    "--dataset-name webvid": "webvid is not supported",
    "--mode latent": "--mode latent needs --vae",
    "--ckpt-every 3 --log-every 2": "must be a multiple",
    "--lr 0": "--lr must be above 0",
    "--max-steps 0": "--max-steps must be at least 1",
    "--node-rank 1": "--node-rank below --nnodes",
    "--save-every-minutes 0": "--save-every-minutes must be above 0",
    "--resume": "no run of this stage",
    "--resume nowhere": "takes a run folder",
    "--exchange 0.5": "--exchange needs clips that move alike",
    "--recolored 1.5": "--recolored must be 0 to 1, not 1.5",
    "--stand-ins -0.5": "--stand-ins must be 0 to 1, not -0.5",
    "--smooth -1": "--smooth must be 0 or more, not -1",
    "--data-path nowhere": "no data folder nowhere",
    "--vgg16 x --lpips y": "no file y",
}


@pytest.mark.parametrize("more", WRONG)
def test_what_cannot_be_is_refused_with_its_value(more, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words("ae", clips, "runs", more)) == 2
    assert WRONG[more] in capsys.readouterr().err


def test_a_checkpoint_of_another_geometry_is_named(trained, clips, tmp_path, capsys):
    shutil.copytree(next(trained.glob("*-Projected*")), tmp_path / "000-ProjectedAutoencoder")
    assert main(words("ae", clips, tmp_path, "--resume --max-steps 3 --depth 2")) == 2
    assert re.search(r"depth was 1 and is now 2", capsys.readouterr().err)
    run = next(trained.glob("*-Projected*/checkpoints/last.pt"))
    assert main(words("ae", clips, tmp_path, f"--autoencoder {run} --patch-size 4")) == 2
    assert "patch_size is 2 there and 4 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("--motion-model-config MotionDiT-S/2", "MotionDiT-S/2 has 12, 384 and 2"),
        ("--embed-dim 4", "--embed-dim 4 contradicts the autoencoder"),
        ("--num-classes 2", "--num-classes 2 is fewer than the 3 classes"),
    ],
)
def test_an_option_that_contradicts_an_earlier_stage_is_named_with_it(more, told, trained, clips, capsys):
    assert main(words("content", clips, trained, f"{more} --max-steps 1")) == 2
    assert told in capsys.readouterr().err


def test_training_on_drawn_clips_goes_on_from_weights_in_their_units(tmp_path):
    drawn = "--preset drawn --image-size 16 --n-frames 4 --clips 4 --global-batch-size 2 --max-steps 1 --ckpt-every 1 --log-every 1"
    drawn += f" --results-dir {tmp_path}"
    assert main(f"content-motion train-ae {drawn} --width 64 --depth 1".split()) == 0
    motion = f"content-motion train-motion {drawn} --width 32 --depth 1 --cache-latents --sampling-steps 2"
    assert main(motion.split()) == 0
    (first,) = tmp_path.glob("*/motion_model.safetensors")
    (cache,) = (read_weights(path).tensors for path in tmp_path.glob("latents_*.safetensors"))
    assert cache["middle"].shape == cache["content"].shape and not torch.equal(cache["middle"], cache["content"])
    content = f"content-motion train-content {drawn} --width 32 --depth 1 --cache-latents --sampling-steps 2"
    assert main(content.split()) == 0
    assert len(list(tmp_path.glob("latents_*.safetensors"))) == 1  # clips are encoded once for both
    assert main(f"{motion} --global-seed 1 --motion-model {first}".split()) == 0
    (second,) = set(tmp_path.glob("*/motion_model.safetensors")) - {first}
    assert len(list(tmp_path.glob("latents_*.safetensors"))) == 2  # of clips drawn from another seed
    before, after = (cm.load_motion_model(path) for path in (first, second))
    assert before.geometry["content_patch_size"] == 8  # of the recipe, where it is not asked for
    assert before.geometry == after.geometry and before.standard is not None
    assert not torch.equal(before.final_layer.linear.weight, after.final_layer.linear.weight)
