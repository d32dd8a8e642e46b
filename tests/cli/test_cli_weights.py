"""`dismo weights` as a user meets it; downloads run as a process of their own, against a local server."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.cli.weights import filled_registry
from dismo_core.cogvideox.weights import BASE
from dismo_core.dismo.weights import BUNDLED, RELEASED

sys.path.append(str(Path(__file__).parents[1] / "weights"))
import hub_server  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty default folder."""
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def process(*arguments, **environment):
    """`dismo weights ...` in a process of its own."""
    command = [sys.executable, "-m", "dismo_core", "weights", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


@pytest.mark.parametrize("words", [[], ["list"]])
def test_what_is_there_and_what_could_be_is_listed(words, folder, capsys):
    assert main(["weights", *words]) == 0
    out = capsys.readouterr().out
    assert all(path.name in out for path in BUNDLED.values()) and "damaged" not in out
    assert all(name in out for name in (*RELEASED, BASE.name)) and "non-commercial" in out
    assert "not there" in out and str(folder) in out


def test_a_base_is_downloaded_then_verified(tmp_path, capsys):
    with hub_server.serving() as server:
        server.files = hub_server.toy_base()
        environment = hub_server.environment(server.endpoint, tmp_path / "home")
        done = process("download", BASE.name, "--to", tmp_path / "to", **environment)
    assert done.returncode == 0, done.stderr
    assert BASE.licence in done.stdout and "checked" in done.stdout
    assert (tmp_path / "to" / BASE.name / "vae" / "config.json").is_file()
    assert main(["weights", "verify", str(tmp_path / "to" / BASE.name)]) == 0
    assert "ok, CogVideoX base" in capsys.readouterr().out


def test_a_hub_that_is_not_there_is_named(tmp_path):
    with hub_server.serving() as server:
        gone = server.endpoint
    done = process("download", "motion_extractor_large", **hub_server.environment(gone, tmp_path / "home"))
    assert done.returncode == 2 and "non-commercial" in done.stdout
    assert f"motion_extractor_large.pt of CompVis/DisMo from {gone} failed" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr  # lines before it: huggingface_hub 0.36 tells how it tries again


def test_offline_mode_is_respected(tmp_path):
    environment = hub_server.environment("http://127.0.0.1:9", tmp_path / "home") | {"HF_HUB_OFFLINE": "1"}
    done = process("download", BASE.name, **environment)
    assert done.returncode == 2 and "Offline mode is on (HF_HUB_OFFLINE)" in done.stderr


def test_bundled_files_are_verified_when_none_is_given(capsys):
    assert main(["weights", "verify"]) == 0
    assert capsys.readouterr().out.count(": ok, ") == len(filled_registry().BUNDLED) > len(BUNDLED)


def test_every_file_is_looked_at_before_the_error(tmp_path, capsys):
    bad, good = tmp_path / "bad.pt", BUNDLED["dismo_tiny_extractor"]
    torch.save({"a": torch.ones(1)}, bad)
    assert main(["weights", "verify", str(bad), "no.pt", str(good)]) == 2
    captured = capsys.readouterr()
    assert f"{good}: ok" in captured.out
    assert f"{bad} fits no known model" in captured.err and "no weight file no.pt" in captured.err


def test_a_conversion_can_be_used(tmp_path, capsys):
    source, target = tmp_path / "a.pt", tmp_path / "a.safetensors"
    torch.save(dismo.load_motion_extractor("tiny").state_dict(), source)
    assert main(["weights", "convert", str(source), str(target)]) == 0
    assert f"{len(load_file(target))} tensors of a.pt" in capsys.readouterr().out
    assert main(["weights", "verify", str(target)]) == 0
    assert main(["weights", "convert", str(source), str(target)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["weights", "convert", str(source), str(target), "--overwrite"]) == 0


BAD = {
    "unknown name": (["download", "huge"], "'huge' to download; there are: motion_extractor_large"),
    "missing source": (["convert", "no.pt", "a.safetensors"], "no file no.pt"),
    "a folder that is no base": (["verify", "."], "no model_index.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_are_one_line_and_exit_code_2(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words, message = BAD[name]
    assert main(["weights", *words]) == 2
    err = capsys.readouterr().err.strip()
    assert message in err and "\n" not in err
