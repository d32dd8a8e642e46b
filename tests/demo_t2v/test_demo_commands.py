"""`dismo demo-t2v`, and tables of prompts (dismo_core/demo_t2v/table_run.py)."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import sys
import time

import pytest
import torch

from dismo_core.cli.main import main
from dismo_core.demo_t2v.config import read_generate_config
from dismo_core.demo_t2v.prompt_table import output_names, read_prompts, read_table, table_rows
from dismo_core.demo_t2v.table_run import TableSettings, jobs_of, run_table
from dismo_core.errors import DisMoError
from dismo_core.video import probe, read_video

# Keys of the release's inference configuration, section by section.
RELEASE = """
infer_dataset: {{type: InferenceDatasetRepeat, csv_path: {table}, repeat_times: 2}}
batch_size: 16
decoder_bs: 16
max_frames: 16
resolution: [256, 256]
scale: 8
scale_factor: 0.18215
guide_scale: 9.0
ddim_timesteps: 50
negative_prompt: "ugly"
inference_seed: 42
use_fp16: True
model_name: "DEMO"
log_dir: "inference"
chunk_size: 16
deepspeed_config: configs/t2v_inference_deepspeed.json
embedder: {{type: FrozenOpenCLIPEmbedder, layer: penultimate, pretrained: {folder}/open_clip_pytorch_model.bin}}
motion_encoder: {{type: FrozenOpenCLIPEmbedder, layer: penultimate, pretrained: {folder}/motion_encoder.pth}}
auto_encoder: {{type: AutoencoderKL, ddconfig: {{ch: 128}}, pretrained: {folder}/VQGAN_autoencoder.pth}}
UNet: {{type: UNetSD_DEMO, in_dim: 4, y_dim: 512, upper_len: 128, context_dim: 1024}}
Diffusion: {{type: DiffusionDDIM, schedule: linear_sd}}
Pretrain: {{type: pretrain_specific_strategies, resume_checkpoint: {folder}/demo.pth}}
"""
SMALL = "resolution [16,16] max_frames 3 ddim_timesteps 2".split()


@pytest.fixture
def release(tmp_path, toy_folder, monkeypatch):
    """A folder to work in, with the release's YAML."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.csv").write_text("id,prompt\n0,a dog, running\n1,children's toys\n", "utf-8")
    path = tmp_path / "t2v_inference_deepspeed.yaml"
    path.write_text(RELEASE.format(table=tmp_path / "prompts.csv", folder=toy_folder / "release"), "utf-8")
    return path


def test_the_releases_yaml_makes_the_releases_files(release, tmp_path, capsys, caplog):
    words = ["demo-t2v", "generate", "--cfg", str(release), "--device", "cpu", *SMALL, "batch_size", "1"]
    assert main(words) == 0
    folder = tmp_path / "inference" / "DEMO_InferenceDatasetRepeat"
    clips = ["a_dog,_running-0.mp4", "a_dog,_running-1.mp4", "children's_toys-0.mp4", "children's_toys-1.mp4"]
    assert sorted(path.name for path in folder.glob("*.mp4")) == clips
    about = probe(folder / clips[0])
    assert (about.fps, about.width, about.height) == (8, 16, 16) and len(read_video(folder / clips[0]).frames) == 3
    with (folder / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == clips and {row["state"] for row in rows} == {"done"}
    assert {path.name for path in folder.glob("*.jpg")} == {"a_dog,_running.jpg", "children's_toys.jpg"}
    for key in ("deepspeed_config", "scale_factor", "UNet.y_dim", "Diffusion.schedule", "chunk_size"):
        assert f"{key} changes nothing" in caplog.text, key
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    (folder / clips[1]).unlink()
    whole = (folder / clips[0]).read_bytes()
    assert main([*words[:4], "--resume", *words[4:]]) == 0
    assert (folder / clips[1]).exists() and (folder / clips[0]).read_bytes() == whole


def test_one_prompt_without_a_table(toy_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = f"demo-t2v generate --weights {toy_folder} --prompt ball --motion-prompt up --motion-strength 0,1 --device cpu ddim_timesteps 1"
    assert main(words.split()) == 0
    assert (tmp_path / "inference/DEMO_InferenceDatasetRepeat/ball-0.mp4").is_file()


def test_two_processes_share_a_table(release, tmp_path, monkeypatch):
    words = ["demo-t2v", "generate", "--cfg", str(release), "--devices", "cpu,cpu", *SMALL]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("WORLD_SIZE", "3")  # left by another program: these processes are two
    before = dict(os.environ)
    assert main(words) == 0
    assert dict(os.environ) == before
    monkeypatch.delenv("WORLD_SIZE")
    shared = tmp_path / "inference" / "DEMO_InferenceDatasetRepeat"
    assert main(["demo-t2v", "generate", "--cfg", str(release), "--device", "cpu", *SMALL, "model_name", "ALONE"]) == 0
    alone = tmp_path / "inference" / "ALONE_InferenceDatasetRepeat"
    names = sorted(path.name for path in alone.iterdir())
    assert names == sorted(path.name for path in shared.iterdir()) and len(names) == 7
    for name in names:
        if name.endswith(".mp4"):
            difference = read_video(alone / name).frames.int() - read_video(shared / name).frames.int()
            # The batches differ, so the last digits do; the codec makes a few levels of a few pixels of that.
            assert difference.float().abs().mean() < 0.5


def test_pairs():
    config = read_generate_config(
        None, "batch_size 3 infer_dataset.repeat_times 2 resolution [64,128] guide_scale 3".split()
    )
    assert (config.batch, config.repeat, config.size, config.guidance) == (3, 2, (64, 128), 3.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("batch_size", "stands without a value"),
        ("batchsize 1", "There is no key batchsize"),
        ("batch_size many", "'many', a str, where int belongs"),
        ("resolution [1,2,3]", "height, width"),
        ("max_frames 0.5", "a float, where int belongs"),
    ],
)
def test_bad_pairs(words, message):
    with pytest.raises(DisMoError, match=message):
        read_generate_config(None, words.split())


def test_rows_of_a_table_with_more_columns(toy, tmp_path):
    text = "prompt,motion_prompt,seed,frames,guidance\nball,up,7,2,\nbox,down,,,4.5\nbad,left,seven,,\n,,,,\nlong,left,,99,\n"
    rows = table_rows(text, "table")
    assert [bool(row.problem) for row in rows] == [False, False, True, True, False]
    settings = TableSettings(steps=1, batch=4, size=(16, 16))
    problems = run_table(toy, rows, settings, tmp_path)
    assert len(problems) == 3 and "line 4: seed is 'seven'" in problems[0] and "1 to 64 frames, not 99" in problems[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ball-0.mp4", "box-0.mp4"]
    assert len(read_video(tmp_path / "ball-0.mp4").frames) == 2
    jobs = jobs_of(rows, settings, toy)
    assert (jobs[0].row.seed, jobs[1].row.guidance, jobs[1].row.seed) == (7, 4.5, 42)


def test_one_frame_is_a_picture(toy, tmp_path):
    run_table(toy, table_rows("prompt\nx\n", "t"), TableSettings(steps=1, frames=1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x-0.png"]


BAD_TABLES = {
    "no prompt column": (b"id,text\n1,a\n", "has no column prompt; its first line is 'id, text'"),
    "empty": (b"", "has no column prompt"),
    "no rows": (b"prompt\n\n", "holds no prompt"),
    "encoding": ("prompt\ncaf\xe9\n".encode("latin-1"), "is not UTF-8"),
    "huge": (b"prompt\n" + b"a" * 10_000_000, "at most 10,000,000 are read"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables(name, tmp_path):
    content, message = BAD_TABLES[name]
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DisMoError, match=message):
        read_prompts(tmp_path / "a.csv")


def test_no_table(tmp_path):
    with pytest.raises(DisMoError, match="no prompt table"):
        read_table(tmp_path / "no.csv")


NASTY = [
    "it's",
    'a "b"',
    "a/b",
    "a\\b",
    "../../up",
    "x" * 400,
    "y" * 400,
    "山" * 100,
    "a;rm -rf *",
    "con\x00trol",
    "a/b",
    "tab\tnew\nline",
]


def test_names_are_unique_and_safe():
    names = output_names(NASTY, 2)
    assert len(set(names)) == len(names) == 2 * len(NASTY)
    for name in names:
        assert len(name.encode()) < 150 and not set(name) & set('<>:"/\\|?*\x00\t\n')


def test_killed_ten_times_a_table_ends_in_equal_files(toy_folder, tmp_path):
    """kill -9 at ten places; what a clip is does not depend on what was made before it.

    On a busy machine a run may be through before it is killed.
    """
    (tmp_path / "prompts.csv").write_text("prompt\n" + "".join(f"ball {k}\n" for k in range(12)), "utf-8")
    words = ["demo-t2v", "generate", "--resume", "--weights", str(toy_folder), "--device", "cpu", "infer_dataset.csv_path",
             str(tmp_path / "prompts.csv"), *SMALL, "log_dir"]  # fmt: skip
    folder = tmp_path / "killed" / "DEMO_InferenceDatasetRepeat"
    forked = multiprocessing.get_context("fork")
    killed = 0
    for count in range(1, 11):
        process = forked.Process(target=main, args=([*words, str(tmp_path / "killed")],))
        process.start()
        while process.is_alive() and len(list(folder.glob("[!.]*.mp4"))) < count:
            time.sleep(0.001)
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        assert process.exitcode in (0, -signal.SIGKILL), count
    assert killed >= 5
    assert main([*words, str(tmp_path / "killed")]) == 0
    assert main([*words, str(tmp_path / "whole")]) == 0
    whole = tmp_path / "whole" / "DEMO_InferenceDatasetRepeat"
    assert len(list(whole.iterdir())) == 25
    for path in whole.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_reanimate(toy_folder, tmp_path, real_clip):
    words = f"demo-t2v reanimate {real_clip} -o {tmp_path / 'out.mp4'} --caption man --motion-prompt left --weights {toy_folder} --steps 2"
    assert (
        main([*words.split(), "--frames", "3", "--start", "0.5", "--device", "cpu", "--width", "16", "--height", "16"])
        == 0
    )
    frames = read_video(tmp_path / "out.mp4").frames
    assert frames.shape == (3, 16, 16, 3) and frames.dtype == torch.uint8
