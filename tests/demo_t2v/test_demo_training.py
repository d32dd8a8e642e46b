"""Training of DEMO's motion half (dismo_core/demo_t2v/training)."""

from __future__ import annotations

import json
import logging
import multiprocessing
import signal
import time
from dataclasses import replace

import pytest
import torch
from demo_goldens import flow
from demo_run import SHORT, batches, parts, run

from dismo_core import demo_t2v as demo
from dismo_core.cli.main import main
from dismo_core.demo_t2v.config import read_train_config
from dismo_core.demo_t2v.loading import read_unet
from dismo_core.demo_t2v.tower_files import read_text_tower
from dismo_core.demo_t2v.training.captioned_videos import videos_of_folder, videos_of_table
from dismo_core.demo_t2v.training.demo_training import check_training
from dismo_core.demo_t2v.training.flow import raft_flow
from dismo_core.demo_t2v.training.motion_half import LossWeights, MotionHalf
from dismo_core.errors import DisMoError
from dismo_core.training.checkpoint import latest_checkpoint
from dismo_core.video import read_video, write_video


def test_tables_and_folders(clips, caplog):
    table = videos_of_table(clips / "videos.csv", clips)
    assert [video.caption for video in table] == [f"a box {number}, it moves right" for number in range(3)]
    assert "2 of 5 videos are left out" in caplog.text and "99.mp4: there is no file" in caplog.text
    assert len(videos_of_folder(clips)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("videoid,text\n1,a\n", "no column name"),
        ("name,id\na,1\n", "no column videoid"),
        ("videoid,name\n7,a\n", "names no video that can be used"),
        ("", "no column videoid"),
    ],
)
def test_bad_tables_are_errors_where_the_release_waits_for_ever(text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DisMoError, match=message):
        videos_of_table(tmp_path / "a.csv", tmp_path)


def test_a_table_in_another_encoding(tmp_path):
    (tmp_path / "a.csv").write_bytes("videoid,name\n1,caf\xe9\n".encode("latin-1"))
    with pytest.raises(DisMoError, match="is not UTF-8 .* Save it as UTF-8"):
        videos_of_table(tmp_path / "a.csv", tmp_path)


def test_a_video_of_one_frame_is_named(clips, tmp_path):
    write_video(tmp_path / "one.mp4", torch.zeros(1, 24, 32, 3, dtype=torch.uint8), 6)
    (tmp_path / "one.txt").write_text("a box")
    with pytest.raises(DisMoError, match=r"one\.mp4: it is shorter than 2 frames"):
        videos_of_folder(tmp_path)


@pytest.mark.parametrize(("length", "fps"), [(0, 6.0), (12, 0.0), (12, float("inf"))])
def test_a_video_without_frames_or_rate_gives_no_clip(length, fps):
    with pytest.raises(DisMoError, match=f"A video of {length} frames at {fps:g} frames per second"):
        demo.clip_indices(length, fps)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"schedule": "cosine"}, "no schedule 'cosine'"),
        ({"video_motion": "flow"}, "no video_motion 'flow'"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"p_zero": 1.5}, "p_zero is a share of 0 to 1, not 1.5"),
    ],
)
def test_numbers_that_cannot_be(wrong, message):
    with pytest.raises(DisMoError, match=message):
        check_training(replace(SHORT, **wrong), True, True)


def test_what_is_trained(toy_folder):
    unet, encoder, _ = parts(toy_folder)
    half = MotionHalf(unet, encoder, first_block=1)
    names = half.trained()
    assert {name.split(".")[0] for name in names} == {"unet", "motion_encoder"}
    motion = {f"unet.{name}" for name, module in unet.named_modules() if module in unet.motion_modules()}
    assert all(any(name.startswith(f"{place}.") for place in motion) for name in names if name.startswith("unet"))
    assert {name.split(".")[3] for name in names if name.startswith("motion_encoder")} == {
        "1"
    }  # block 2 of 3 is the last, and unused


def test_a_run_writes_the_releases_files_and_learns(toy, toy_folder, clips, tmp_path):
    before, encoder_before, _ = parts(toy_folder)
    half = run(tmp_path, toy, toy_folder, clips, replace(SHORT, sample_steps=1))
    assert [path.name for path in sorted((tmp_path / "samples").iterdir())] == ["00000002.mp4", "00000004.mp4"]
    assert read_video(tmp_path / "samples" / "00000004.mp4").frames.shape == (4, 16, 16, 3)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "non_ema_00000002.pth", "non_ema_00000002_motion_encoder.pth", "non_ema_00000004.pth", "non_ema_00000004_motion_encoder.pth",
    ]  # fmt: skip
    unet, _ = read_unet(tmp_path / "checkpoints" / "non_ema_00000004.pth", torch.float32)
    encoder = read_text_tower(tmp_path / "checkpoints" / "non_ema_00000004_motion_encoder.pth", torch.float32)
    for name, value in unet.state_dict().items():
        assert torch.equal(value, half.unet.state_dict()[name])
        assert torch.equal(value, before.state_dict()[name]) != (f"unet.{name}" in half.trained()), name
    assert not torch.equal(encoder.state_dict()["transformer.resblocks.1.mlp.c_fc.weight"],
                           encoder_before.state_dict()["transformer.resblocks.1.mlp.c_fc.weight"])  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    names = ("diffusion", "video_motion", "text_motion", "regularization")
    assert all(f"Train/Samples/{name}_loss" in rows[-1] for name in names)


def test_resumed_is_unbroken(toy, toy_folder, clips, tmp_path):
    whole = run(tmp_path / "whole", toy, toy_folder, clips).state_dict()
    run(tmp_path / "halves", toy, toy_folder, clips, replace(SHORT, steps=2))
    resumed = run(tmp_path / "halves", toy, toy_folder, clips).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    with pytest.raises(DisMoError, match="p_zero was 0.1 and is now 0.5"):
        run(tmp_path / "halves", toy, toy_folder, clips, replace(SHORT, p_zero=0.5, steps=6))


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_in_training_it_ends_in_equal_files(kills, toy, toy_folder, clips, tmp_path):
    again = replace(SHORT, steps=3 * kills, batch=1)
    run(tmp_path / "whole", toy, toy_folder, clips, again)
    forked = multiprocessing.get_context("fork")
    for count in range(1, kills + 1):
        process = forked.Process(target=run, args=(tmp_path / "killed", toy, toy_folder, clips, again))
        process.start()
        written = tmp_path / "killed" / "checkpoints" / f"non_ema_{2 * count:08d}.pth"
        while process.is_alive() and not written.exists():
            time.sleep(0.001)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    run(tmp_path / "killed", toy, toy_folder, clips, again)
    for whole in sorted((tmp_path / "whole").rglob("*.pt*")):
        again = tmp_path / "killed" / whole.relative_to(tmp_path / "whole")
        assert equal(torch.load(again), torch.load(whole)), whole.name


def equal(found, wanted):
    """Whether two trees of tensors, numbers and strings are the same."""
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(equal(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(equal, found, wanted))
    return torch.equal(found, wanted) if isinstance(wanted, torch.Tensor) else found == wanted


def test_in_float16_the_loss_is_scaled(toy, toy_folder, clips, tmp_path):
    half = run(tmp_path, toy, toy_folder, clips, replace(SHORT, steps=2), autocast=torch.float16)
    assert latest_checkpoint(tmp_path)["scaler"]["scale"] > 1
    assert all(bool(torch.isfinite(weight).all()) for weight in half.parameters())


def test_the_published_rate_rules_both_groups(toy, toy_folder, clips, tmp_path):
    run(tmp_path, toy, toy_folder, clips, replace(SHORT, schedule="one_cycle", steps=2))
    row = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert row["lr"] == pytest.approx(demo.one_cycle(1)[0], rel=1e-4)


def test_text_motion_trains_nothing_where_its_gradient_is_off(toy, toy_folder, clips):
    unet, encoder, image = parts(toy_folder)
    half = MotionHalf(unet, encoder, first_block=0)
    gradients = []
    for on, weight in ((True, 0.1), (False, 0.1), (True, 0.0)):
        training = replace(SHORT, text_motion_gradient=on, weights=LossWeights(text_motion=weight))
        half.zero_grad()
        batches(half, toy, videos_of_folder(clips), training, image, flow)(0)["loss"].backward()
        gradients.append(unet.middle_block[2].transformer_blocks[0].attn2.to_q.weight.grad.clone())
    assert not torch.allclose(gradients[0], gradients[1], rtol=1e-3, atol=0)
    torch.testing.assert_close(gradients[1], gradients[2])


def test_losses_that_lack_what_they_need(toy, toy_folder, clips, tmp_path):
    for option, message in (("flow", "needs a flow operator"), ("image_tower", "needs an image tower")):
        with pytest.raises(DisMoError, match=message):
            run(tmp_path, toy, toy_folder, clips, **{option: None})
    weights = LossWeights(text_motion=0, regularization=0)
    run(tmp_path, toy, toy_folder, clips, replace(SHORT, steps=1, weights=weights), image_tower=None, flow=None)


def test_raft_is_never_fetched(tmp_path):
    with pytest.raises(DisMoError, match="set text_motion_weight to 0"):
        raft_flow(tmp_path / "no.pth", torch.device("cpu"))


# Keys of the release's training configuration.
RELEASE = """
train_dataset: {{type: WebVid10M, csv_path: {clips}/videos.csv, video_folder: {clips}, page_dir: x}}
Pretrain: {{type: pretrain_specific_strategies, resume_checkpoint: {release}/demo.pth}}
embedder: {{type: FrozenOpenCLIPEmbedder, pretrained: {release}/open_clip_pytorch_model.bin}}
auto_encoder: {{type: AutoencoderKL, pretrained: {release}/VQGAN_autoencoder.pth}}
lr: 5.0e-5
motion_lr: 1.0e-6
video_motion_weight: 0.1
text_motion_weight: 0.0
regularization_weight: 0.1
freeze_unet: True
stop_grad_index: 0
p_zero: 0.1
sample_fps: 8
resume_step: 267000
num_steps: 4
max_frames: 3
resolution: [16, 16]
save_every: 1
log_every: 1
deepspeed_config: {folder}/ds.json
"""
DEEPSPEED = {
    "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 2, "gradient_clipping": 0.5, "fp16": {"enabled": True},
    "scheduler": {"type": "OneCycle", "params": {"cycle_min_lr": 1e-5}}, "zero_optimization": {"stage": 2}, "steps_per_print": 9,
}  # fmt: skip


def test_the_releases_yaml_and_json_train(toy_folder, clips, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "ds.json").write_text(json.dumps(DEEPSPEED))
    path = tmp_path / "t2v_train.yaml"
    path.write_text(RELEASE.format(clips=clips, release=toy_folder / "release", folder=tmp_path))
    config = read_train_config(path)
    assert (config.training["batch"], config.training["accumulation"], config.training["clip"]) == (2, 2, 0.5)
    assert (
        config.training["schedule"] == "one_cycle" and config.training["steps"] == 2 and config.half and config.sharded
    )
    for key in (
        "sample_fps changes nothing",
        "resume_step changes nothing",
        "page_dir changes nothing",
        "steps_per_print",
    ):
        assert key in caplog.text or key in " ".join(record.getMessage() for record in caplog.records), key
    assert (
        main(
            [
                "demo-t2v",
                "train",
                "--cfg",
                str(path),
                "--out",
                str(tmp_path / "run"),
                "--device",
                "cpu",
                "num_steps",
                "2",
            ]
        )
        == 0
    )
    assert (tmp_path / "run" / "checkpoints" / "non_ema_00000001.pth").is_file()
