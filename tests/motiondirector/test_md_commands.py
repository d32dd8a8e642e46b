"""The commands on a toy base: the equivalent of each published one, from clip to video."""

import shutil

import pytest
import torch
from toy_text_to_video import write_base

from dismo_core.cli.main import main
from dismo_core.motiondirector import DualPathLoRA
from dismo_core.motiondirector.adapter_file import read_adapter
from dismo_core.text_to_video import load_text_to_video
from dismo_core.video import probe, read_image, read_video


@pytest.fixture(scope="module")
def place(tmp_path_factory, real_clip, photograph):
    """A base, a clip, pictures, and a run of four steps on the clip."""
    root = tmp_path_factory.mktemp("commands")
    write_base(root / "base")
    shutil.copy(real_clip, root / "clip.mp4")
    (root / "pictures").mkdir()
    shutil.copy(photograph, root / "pictures" / "a.jpg")
    words = (
        f"motiondirector train --base {root / 'base'} --video {root / 'clip.mp4'} --caption talks --frames 3 --fps 4 --end 1.5 --width 16 "
        f"--steps 4 --rank 4 --lr 0.05 --save-every 2 --seed 1 --no-checkpointing --device cpu --out {root / 'run'}"
    )
    assert main(words.split()) == 0
    return root


def sample(place, out, words):
    return main([*f"motiondirector sample -m {place / 'base'} -s 2 -g 2 -r 5 -T 3 -d cpu -o {out}".split(), *words])


def frames_of(path):
    return read_video(path).frames


def test_training_leaves_what_sampling_takes(place, tmp_path, capsys):
    assert (place / "run/temporal/lora/4_unet.safetensors").is_file() and (place / "run/sampled.png").is_file()
    assert sample(place, tmp_path, ["-cf", str(place / "run"), "-p", "A red fox, it runs."]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["A_red_fox_it_runs_5.mp4"]
    assert "A_red_fox_it_runs_5.mp4" in capsys.readouterr().out
    assert frames_of(tmp_path / "A_red_fox_it_runs_5.mp4").shape == (3, 16, 16, 3)
    info = probe(tmp_path / "A_red_fox_it_runs_5.mp4")
    assert info.fps == 8


def test_scales_seeds_and_checkpoints_matter(place, tmp_path):
    run = str(place / "run")
    cases = {
        "plain": ["-cf", run],
        "same": ["-tlp", run],
        "off": ["-cf", run, "-ls", "0"],
        "base": [],
        "earlier": ["-cf", run, "-ci", "2"],
        "late": ["-cf", run, "--motion-from", "0.5"],
        "looks": ["-cf", run, "-slp", run, "-sps", "3"],
        "looks of one": ["-cf", run, "-slp", run, "-sps", "3", "--appearance-index", "1"],
        "prior": ["-cf", run, "-np", "0.5"],
        "prior of a clip": ["-cf", run, "-np", "0.5", "--prior-clip", str(place / "clip.mp4")],
    }
    videos = {}
    for name, words in cases.items():
        assert sample(place, tmp_path / name.replace(" ", "_"), ["-p", "x", *words]) == 0
        videos[name] = frames_of(next((tmp_path / name.replace(" ", "_")).glob("*.mp4")))
    assert torch.equal(videos["plain"], videos["same"]) and torch.equal(videos["off"], videos["base"])
    distinct = [name for name in videos if name not in ("same", "base")]
    for i, one in enumerate(distinct):
        for other in distinct[:i]:
            assert not torch.equal(videos[one], videos[other]), (one, other)


def test_batches_repeats_and_names_that_are_taken(place, tmp_path):
    words = ["-p", "x", "-B", "2", "-rn", "2"]
    assert sample(place, tmp_path, [*words, "--gif"]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f"x_{seed}{end}{kind}" for seed in (5, 6) for end in ("", "_2") for kind in (".mp4", ".gif"))
    assert sample(place, tmp_path / "tiled", [*words, "--tile"]) == 0
    assert frames_of(tmp_path / "tiled" / "x_6.mp4").shape == (3, 16, 32, 3)


def test_options_that_change_nothing_say_so(place, tmp_path, caplog):
    assert sample(place, tmp_path, ["-p", "x", "-x", "-S", "-lr", "8"]) == 0
    assert all(f"{option} changes nothing" in caplog.text for option in ("--xformers", "--sdp", "--lora_rank"))


def test_pictures_and_a_config(place, tmp_path):
    words = f"motiondirector train --base {place / 'base'} --images {place / 'pictures'} --caption x --width 16"
    assert (
        main([*words.split(), *"--steps 1 --rank 2 --flip 1 --device cpu".split(), "--out", str(tmp_path / "run")]) == 0
    )
    assert (tmp_path / "run/spatial/lora/1_unet.safetensors").is_file() and not (tmp_path / "run/temporal").exists()
    config = tmp_path / "a.yaml"
    config.write_text(
        f"pretrained_model_path: {place / 'base'}\noutput_dir: {tmp_path / 'out'}\ndataset_types: [single_video]\nmax_train_steps: 2\n"
        f"lora_rank: 2\nmixed_precision: fp16\ntrain_data:\n  single_video_path: {place / 'clip.mp4'}\n  width: 16\n  height: 16\n"
        "  frame_step: 60\n  n_sample_frames: 2\n  single_video_prompt: a man\n"
    )
    assert (
        main(["motiondirector", "train", "--config", str(config), "--strict", "--device", "cpu", "--steps", "1"]) == 0
    )
    (run,) = (tmp_path / "out").iterdir()
    assert run.name.startswith("train_") and (run / "temporal/lora/1_unet.safetensors").is_file()


def test_inspect_convert_and_merge(place, tmp_path, capsys):
    motion = next((place / "run/temporal/lora").iterdir())
    looks = next((place / "run/spatial/lora").iterdir())
    assert main(["motiondirector", "inspect", str(motion)]) == 0
    said = capsys.readouterr().out
    assert (
        "motion, one adapter of rank 4" in said
        and "base: base" in said
        and "transformer_in" in said
        and "prompt: talks" in said
    )
    words = ["--probe", str(tmp_path / "probe.png"), "--base", str(place / "base"), "--device", "cpu"]
    assert main(["motiondirector", "inspect", str(motion), *words]) == 0
    picture = read_image(tmp_path / "probe.png")
    assert picture.shape == (256, 516, 3) and not torch.equal(picture[:, :256], picture[:, 260:])
    assert main(["motiondirector", "inspect", str(looks), *words[:1], str(tmp_path / "b.png"), *words[2:]]) == 2
    assert "is an appearance adapter" in capsys.readouterr().err
    assert main(["motiondirector", "inspect", str(looks)]) == 0
    assert "appearance, 2 adapters of rank 4" in capsys.readouterr().out
    base = ["--base", str(place / "base")]
    assert main(["motiondirector", "convert", str(motion), str(tmp_path / "m.pt")]) == 0
    assert main(["motiondirector", "convert", str(tmp_path / "m.pt"), str(tmp_path / "m.safetensors"), *base]) == 0
    again, first = read_adapter(tmp_path / "m.safetensors"), read_adapter(motion)
    assert all(torch.equal(a, b) for a, b in zip(again.tensors, first.tensors, strict=True))
    assert main(["motiondirector", "convert", str(looks), str(tmp_path / "one.pt"), "--sum"]) == 0
    merged = ["motiondirector", "merge", str(motion), str(motion), "-o", str(tmp_path / "twice.safetensors")]
    assert main([*merged, "--scale", "1", "-0.5", "--rank", "4"]) == 0
    assert "of rank 4, 100.00 % of the sum" in capsys.readouterr().out
    up, down = read_adapter(tmp_path / "twice.safetensors").pairs(0)[3]
    half_up, half_down = first.pairs(0)[3]
    torch.testing.assert_close(up @ down, 0.5 * half_up @ half_down, atol=1e-5, rtol=0)


AGAIN = "train --video {root}/clip.mp4 --frames 3 --fps 4 --end 1.5 --caption talks --seed 1 --out {root}/run"
BAD = {
    "sample -p x -cf {root}/nowhere": "no file or folder",
    "sample -p x -cf {root}/run -tlp {root}/run": "both name a motion adapter",
    "sample -p x -ci 2": "--checkpoint_index is for --checkpoint_folder",
    "sample -p x -tps 2": "--temporal_path_scale is for a motion adapter",
    "sample -p x --appearance-index 0": "is for an appearance adapter",
    "sample -p x -slp {root}/run --appearance-index 9": "must be 0 to 1 for this file, not 9",
    "sample -p x -np 0.5": "needs a clip, and no cached_latents",
    "sample -p x -np 1.5 --prior-clip {root}/clip.mp4": "share of 0 to 1, not 1.5",
    "sample -p x --prior-clip {root}/clip.mp4": "give --noise_prior, too",
    "sample -p x -W 20": "multiple of 8, or 0 for the base's own, not 20. Near is",
    "sample -p x -T 0": "frames must be at least 1, not 0",
    "sample -p x -s 2000": "steps must be 1 to 1000",
    "sample -p x -rn 0": "--repeat_num must be at least 1",
    "sample -p x --tile": "is for several videos",
    "sample -p x -cf {root}/run --motion-from 0.6 --motion-until 0.5": "from 0.6 until 0.5",
    "sample -p x -tlp {root}/run/spatial/lora/4_unet.safetensors": "is an appearance adapter of MotionDirector, not a motion adapter",
    "sample -p x -slp {root}/run/temporal/lora": "is a motion adapter of MotionDirector, not an appearance adapter",
    "train --out {out}": "Give one of --config, --video, --videos and --images; given are none",
    "train --video {root}/clip.mp4 --images {root}/pictures --out {out}": "given are video, images",
    "train --video {root}/none.mp4 --out {out}": "There is no {root}/none.mp4",
    "train --videos {root}/pictures --out {out}": "holds no videos",
    "train --video {root}/base/model_index.json --out {out}": "as a video",
    "train --images {root}/pictures --mode both --out {out}": "pictures have no motion",
    "train --video {root}/clip.mp4 --width 20 --out {out}": "multiples of 8. Near is",
    "train --video {root}/clip.mp4 --width 72 --fit official --out {out}": "multiples of 64",
    "train --video {root}/clip.mp4 --frames 1 --width 16 --out {out}": "single frame",
    "train --video {root}/clip.mp4 --start 90 --width 16 --out {out}": "Choose a start before its end",
    "train --video {root}/clip.mp4 --end 0 --width 16 --out {out}": "before it begins",
    "train --video {root}/clip.mp4 --rank 0 --width 16 --out {out}": "rank must be at least 1, not 0",
    f"{AGAIN} --rank 8 --width 16": "rank was 4 and is now 8",
    f"{AGAIN} --width 24": "height was 16 and is now 24",
    "train --video {root}/clip.mp4 --out {root}/run --no-resume": "is not empty",
    "train --config {root}/none.yaml --out {out}": "Cannot read",
    "train --config {root}/none.yaml --caption x --out {out}": "does not go with --config",
    "train --video {root}/clip.mp4 --strict --out {out}": "--strict is for --config",
    "inspect {root}/none.pt": "There is no file",
    "inspect {root}/base/unet/diffusion_pytorch_model.safetensors": "a text-to-video UNet of the ModelScope family, not",
    "convert {root}/run/temporal/lora/4_unet.safetensors {out}.bin": "suffix '.bin'",
    "convert {root}/run/temporal/lora/4_unet.safetensors {out}.pt --sum": "holds one",
    "merge {root}/run/temporal/lora/4_unet.safetensors {root}/run/spatial/lora/4_unet.safetensors -o {out}.pt": "these are not added",
}  # fmt: skip


@pytest.mark.parametrize(("words", "message"), BAD.items())
def test_bad_input(place, tmp_path, capsys, caplog, words, message):
    names = {"root": place, "out": tmp_path / "out"}
    words = words.format(**names).split()
    if words[0] in ("train", "sample"):
        words += ["--device", "cpu", *(["--base"] if words[0] == "train" else ["-m"]), str(place / "base")]
    if words[0] == "sample":
        words += ["-o", str(tmp_path / "videos"), "-g", "1", *([] if "-s" in words else ["-s", "1"])]
    assert main(["motiondirector", *words]) == 2
    said = capsys.readouterr().err
    assert message.format(**names) in said, said
    assert not list(tmp_path.rglob("*.mp4")) and not list(tmp_path.rglob("*_unet.*"))


def test_the_run_is_still_whole(place):
    """After all the refusals above."""
    base = load_text_to_video(place / "base")
    lora = DualPathLoRA.from_files(base.unet, appearance=place / "run", motion=place / "run")
    assert lora.appearances == 2 and lora.rank == 4
