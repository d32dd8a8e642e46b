"""The command line as a user meets it."""

import os
import shutil
import subprocess
import sys

import pytest

import dismo_core as dismo
from dismo_core.cli.main import COMMANDS, main


def test_it_is_also_a_module():
    out = subprocess.run([sys.executable, "-m", "dismo_core", "--help"], capture_output=True, text=True, check=True)
    assert all(command in out.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "usage: dismo" in capsys.readouterr().out


def test_the_bare_command_shows_the_help(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"dismo {dismo.__version__}\n"


def test_extract_then_transfer(tmp_path, real_clip, photograph, capsys):
    motion, video = tmp_path / "m.safetensors", tmp_path / "out.mp4"
    assert main(["extract", str(real_clip), "-o", str(motion), "--frames", "9"]) == 0
    assert dismo.Motion.load(motion).frames == 9
    words = ["transfer", "--motion", str(motion), "--image", str(photograph)]
    assert main([*words, "-o", str(video)]) == 0  # the layered model: the video has the picture's own size
    back = dismo.read_video(video)
    assert back.frames.shape == (9, 428, 640, 3) and round(back.fps) == 8  # the file's sides are even
    assert "9 frames of 640x427 px" in capsys.readouterr().out
    assert main([*words, "-o", str(video), "--overwrite", "--model", "tiny", "--steps", "2"]) == 0
    back = dismo.read_video(video)
    assert back.frames.shape == (9, 64, 64, 3) and round(back.fps) == 8
    assert "9 frames of 64x64 px" in capsys.readouterr().out
    assert main([*words, "-o", str(video), "--overwrite", "--fps", "24", "--borders", "crop"]) == 0
    back = dismo.read_video(video)
    assert back.frames.shape[0] == 25 and round(back.fps) == 24


def test_transfer_straight_from_a_clip(tmp_path, real_clip, photograph):
    out = tmp_path / "out.gif"
    code = main(
        [
            "transfer",
            "--motion",
            str(real_clip),
            "--image",
            str(photograph),
            "-o",
            str(out),
            "--frames",
            "6",
            "--model",
            "tiny",
            "--steps",
            "1",
            "--fit",
            "pad",
        ]
    )
    assert code == 0 and dismo.read_video(out).frames.shape[0] == 6


def test_an_existing_output_is_refused_before_any_work(tmp_path, real_clip, photograph, capsys):
    out = tmp_path / "out.mp4"
    out.write_text("mine")
    assert main(["transfer", "--motion", str(real_clip), "--image", str(photograph), "-o", str(out)]) == 2
    err = capsys.readouterr().err
    assert "exists already" in err and "--overwrite" in err and out.read_text() == "mine"
    # what is missing is said first: nobody frees a name for nothing
    assert main(["transfer", "--motion", "no.mp4", "--image", "no.png", "-o", str(out)]) == 2
    assert "no.mp4" in capsys.readouterr().err


def test_weights_are_listed_and_checked(capsys):
    assert main(["weights"]) == 0
    out = capsys.readouterr().out
    assert "ok" in out and "damaged" not in out


@pytest.mark.slow
def test_demo(tmp_path):
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    found = {str(p.relative_to(tmp_path / "demo")) for p in (tmp_path / "demo").rglob("*") if p.is_file()}
    per_example = {"target.png", "driving.mp4", "result.mp4", "side_by_side.mp4", "motion.safetensors"}
    assert found == {"contact_sheet.png", "motion.png"} | {f"{n}/{f}" for n in ("drawn", "camera") for f in per_example}
    assert dismo.read_video(tmp_path / "demo" / "drawn" / "result.mp4").frames.shape == (25, 64, 64, 3)


BAD = {
    "no such clip": ["extract", "no/such.mp4"],
    "not a clip": ["extract", __file__],
    "too few frames": ["extract", "CLIP", "--frames", "3"],
    "start after the end": ["extract", "CLIP", "--start", "100"],
    "fps": ["extract", "CLIP", "--fps", "0"],
    "no such picture": ["transfer", "--motion", "CLIP", "--image", "no.png"],
    "picture is no picture": ["transfer", "--motion", "CLIP", "--image", __file__],
    "no such motion": ["transfer", "--motion", "no.safetensors", "--image", "PICTURE"],
    "unknown suffix": ["transfer", "--motion", "CLIP", "--image", "PICTURE", "-o", "out.xyz"],
    "unknown weights": ["extract", "CLIP", "--extractor", "huge"],
    "unknown device": ["extract", "CLIP", "--device", "abacus"],
    "motion file of another suffix": ["extract", "CLIP", "-o", "m.pt"],
    "strength": ["transfer", "--motion", "CLIP", "--image", "PICTURE", "--strength", "3"],
    "no number": ["transfer", "--motion", "CLIP", "--image", "PICTURE", "--strength", "nan"],
    "existing folder with other files": ["transfer", "--motion", "CLIP", "--image", "PICTURE", "-o", "/"],
    "steps": [
        "transfer",
        "--motion",
        "CLIP",
        "--image",
        "PICTURE",
        "--frames",
        "5",
        "--model",
        "tiny",
        "--steps",
        "-1",
    ],
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_one_line_and_exit_code_2(name, tmp_path, monkeypatch, real_clip, photograph, capsys):
    monkeypatch.chdir(tmp_path)
    words = [{"CLIP": str(real_clip), "PICTURE": str(photograph)}.get(word, word) for word in BAD[name]]
    assert main(words) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("dismo: ") and "\n" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--debug", "extract", "no/such.mp4"], ["extract", "no/such.mp4", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(words):
    with pytest.raises(dismo.DisMoError):
        main(words)


@pytest.mark.parametrize(
    "name", ["too few frames", "fps", "motion file of another suffix", "steps", "strength", "unknown device"]
)
def test_numbers_and_names_are_checked_before_anything_is_loaded(name, tmp_path, monkeypatch, real_clip, photograph):
    monkeypatch.chdir(tmp_path)
    for loader in ("load_motion_extractor", "load_frame_generator"):
        monkeypatch.setattr(f"dismo_core.dismo.weights.{loader}", lambda *_, **__: pytest.fail("weights were loaded"))
    words = [{"CLIP": str(real_clip), "PICTURE": str(photograph)}.get(word, word) for word in BAD[name]]
    assert main(words) == 2


def test_a_gpu_is_called_cuda(real_clip, capsys):
    assert main(["extract", str(real_clip), "--device", "gpu"]) == 2
    err = capsys.readouterr().err
    assert "Did you mean cuda?" in err and "fpga" not in err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_utf8_does_not_end_a_folder(tmp_path, real_clip):
    """As a process, with a terminal that knows nothing but ASCII."""
    (tmp_path / "clips").mkdir()
    bad = os.fsdecode(b"bad\xffname.mp4")
    shutil.copy(real_clip, tmp_path / "clips" / bad)
    (tmp_path / "clips" / os.fsdecode(b"none\xff.mp4")).write_bytes(b"no video")
    words = ["extract", "clips", "-o", "motions", "--frames", "5"]
    done = subprocess.run(
        [sys.executable, "-m", "dismo_core", *words], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 motions written, 0 files were there, 1 clips left out" in done.stdout
    (file,) = (tmp_path / "motions").glob("*.safetensors")
    assert dismo.Motion.load(file).source == "bad\N{REPLACEMENT CHARACTER}name.mp4"


@pytest.mark.parametrize(
    ("library", "package", "words"),
    [
        ("matplotlib", "matplotlib", ["demo", "--out", "demo"]),
        ("sklearn", "scikit-learn", ["evaluate", "disentangle", "FOLDER"]),
        ("matplotlib", "matplotlib", ["evaluate", "disentangle", "FOLDER"]),
        ("cv2", "opencv-python-headless", ["evaluate", "transfer", "CLIP", "CLIP"]),
        ("webdataset", "webdataset", ["shards", "FOLDER"]),
        ("rich.console", "rich", ["weights"]),
        ("wandb", "wandb", ["train", "tiny", "--out", "run", "--data", "TARS", "--wandb", "x"]),
        ("tensorboard", "tensorboard", ["train", "tiny", "--out", "run", "--data", "TARS", "--draw-every", "9"]),
    ],
)
def test_a_missing_library_is_named_with_its_package(library, package, words, tmp_path, monkeypatch, real_clip, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("clips/a/b", "tars"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(real_clip, tmp_path / "clips/a/b/1.mp4")
    (tmp_path / "tars" / "0.tar").touch()
    monkeypatch.setitem(sys.modules, library, None)
    places = {"CLIP": str(real_clip), "FOLDER": "clips", "TARS": "tars"}
    assert main([places.get(word, word) for word in words]) == 2
    assert f"pip install {package}" in capsys.readouterr().err
