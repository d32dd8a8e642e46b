"""Everything that is written: a full disk is one clear sentence, a kill at the last moment leaves what was there before."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from writers import WRITERS

import dismo_core as dismo
from dismo_core.files import atomic_write, remove_unfinished, save_tensors

ROOT = Path(__file__).resolve().parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes and kills as POSIX systems do")
LIMIT = 600  # bytes


@contextlib.contextmanager
def small_files(folder):
    """No file can grow beyond `LIMIT`."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def full_disk(folder):
    """A disk of its own with nothing free."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small full disk can only be made by root where mounting is allowed")
    try:
        with contextlib.suppress(OSError), (folder / "filling").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@POSIX
@pytest.mark.parametrize("disk", [small_files, full_disk])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path, name, disk):
    folder = tmp_path / "out"
    folder.mkdir()
    write = WRITERS[name]
    if name == "converted":
        write(tmp_path / "elsewhere", 1)  # makes the source
    with disk(folder):
        before = sorted(folder.iterdir())
        with pytest.raises(dismo.DisMoError, match=r"(?s)Cannot write .*out.*free space"):
            write(folder, 1)
        assert sorted(folder.iterdir()) == before
    assert all(path.stat().st_size > LIMIT or path.suffix == ".json" for path in write(folder, 1)), "too small to tell"


@POSIX
def test_weights_that_do_not_fit_beside_are_where_they_were(tmp_path):
    """Memory setting "disk"."""
    from dismo_core.memory.mmap_weights import spill

    module = torch.nn.Linear(100, 100)
    pointers, expected = [p.data_ptr() for p in module.parameters()], module(torch.ones(100))
    with small_files(tmp_path), pytest.raises(dismo.DisMoError, match="Cannot write .*free space"):
        spill(module, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert [p.data_ptr() for p in module.parameters()] == pointers
    assert torch.equal(module(torch.ones(100)), expected)


def meaning(path):
    """What a file says, without what the formats leave to chance: the order of metadata, the name of an archive."""
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        return data[8 + int.from_bytes(data[:8], "little") :]
    if path.suffix == ".pt":
        return torch.load(path, weights_only=True)["weight"].tolist()
    if path.suffix == ".pth":
        state = torch.load(path, weights_only=True)
        return {name: value.tolist() for name, value in state.get("unet_state_dict", state).items()}
    if path.name == "checksums.json":  # of the other files, to the bit
        return json.loads(data).keys()
    return data


def killed_before_the_name_is_given(name, folder):
    """Runs in a process of its own: all is written, and the next thing would be the file's name."""
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    WRITERS[name](folder, 2)


@pytest.fixture(scope="module")
def processes():
    """Starts processes that have torch already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "writers", "dismo_core.dismo.training.videos"])
    return context


@POSIX
@pytest.mark.parametrize("name", WRITERS)
def test_killed_while_saving_the_old_file_stays_and_a_restart_completes(tmp_path, processes, name):
    folder = tmp_path / "out"
    old = {path: path.read_bytes() for path in WRITERS[name](folder, 1)}
    process = processes.Process(target=killed_before_the_name_is_given, args=(name, folder))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert {path: path.read_bytes() for path in old} == old
    assert all(path.name.startswith(".") for path in folder.iterdir() if path not in old)
    again = WRITERS[name](folder, 2)
    assert again == list(old) and any(path.read_bytes() != old[path] for path in again)
    fresh = WRITERS[name](tmp_path / "fresh", 2)
    assert [meaning(path) for path in again] == [meaning(path) for path in fresh]


def write_for_ever(folder, begun):
    """Runs in a process of its own: a file of which nothing was written for long, by a process that lives."""
    with atomic_write(folder / "live.mp4") as temporary:
        temporary.write_bytes(b"half")
        os.utime(temporary, (0, 0))
        begun.set()
        time.sleep(600)


def killed_while_writing(folder, when):
    """Runs in a process of its own."""
    with atomic_write(folder / "v.mp4") as temporary:
        os.utime(temporary, (when, when))
        os.kill(os.getpid(), signal.SIGKILL)


@POSIX
def test_unfinished_files_of_killed_processes_do_not_stay_for_ever(tmp_path, processes):
    """A later process removes them a day on, but none that somebody writes, none of today, and nothing of others."""

    def run(function, *arguments):
        process = processes.Process(target=function, args=(tmp_path, *arguments))
        process.start()
        return process

    begun = processes.Event()
    living = run(write_for_ever, begun)
    assert begun.wait(60)
    (live,) = tmp_path.iterdir()
    run(killed_while_writing, time.time()).join()
    (today,) = set(tmp_path.iterdir()) - {live}
    others = tmp_path / ".clip-abcd1234.mp4"
    others.touch()
    os.utime(others, (0, 0))
    run(killed_while_writing, 0).join()
    assert len(list(tmp_path.iterdir())) == 4

    run(WRITERS["motion"], 1).join()
    assert set(tmp_path.iterdir()) == {live, today, others, tmp_path / "m.safetensors"}
    living.kill()
    living.join()
    run(WRITERS["motion"], 2).join()
    assert set(tmp_path.iterdir()) == {today, others, tmp_path / "m.safetensors"}


@POSIX
def test_what_a_killed_process_left_of_a_file_goes_at_once_and_what_a_living_one_writes_stays(tmp_path, processes):
    begun = processes.Event()
    living = processes.Process(target=write_for_ever, args=(tmp_path, begun))
    living.start()
    assert begun.wait(60)
    killed = processes.Process(target=killed_while_writing, args=(tmp_path, time.time()))
    killed.start()
    killed.join()
    (live,) = tmp_path.glob(".live-*")
    remove_unfinished(tmp_path, "*", ".mp4")
    assert list(tmp_path.iterdir()) == [live]
    living.kill()
    living.join()
    remove_unfinished(tmp_path, "liv", ".mp4")  # part of a name is another file
    assert live.exists()
    remove_unfinished(tmp_path, "live", ".mp4")
    assert not live.exists()


FETCH = """
import os, signal, sys
import hub_server
from dismo_core.weights import hub

def progress(done, total):
    if done >= int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

content = open(sys.argv[1], "rb").read()
hub.fetch(hub_server.hub_file("model.pt", content), sys.argv[2], progress)
"""


@POSIX
def test_killed_while_downloading_a_restart_goes_on_and_nothing_half_is_there(tmp_path):
    import hub_server

    chunk = 10 << 20  # what the hub library writes at a time
    content = bytes(range(256)) * ((2 * chunk + 1000) // 256)
    (tmp_path / "content").write_bytes(content)
    target = tmp_path / "models/model.pt"
    paths = [str(ROOT), str(ROOT / "tests/weights"), os.environ.get("PYTHONPATH", "")]
    with hub_server.serving() as hub:
        hub.files["someone/model/model.pt"] = content
        environment = hub_server.environment(hub.endpoint, tmp_path) | {"PYTHONPATH": os.pathsep.join(paths)}
        for kill_at in (1, chunk + 1):
            command = [sys.executable, "-c", FETCH, tmp_path / "content", target.parent, "", kill_at]
            done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert not target.exists()
        command[-1] = 10**12
        subprocess.run(list(map(str, command)), env=environment, check=True)
        starts = [headers.get("range") for headers in hub.transfers()]
    assert target.read_bytes() == content
    assert starts == [None, f"bytes={chunk}-", f"bytes={2 * chunk}-"]
    assert [path.name for path in target.parent.iterdir() if path.suffix == ".part"] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_tensors_may_be_read_by_whoever_may_read_other_files(tmp_path):
    (tmp_path / "other").touch()
    with atomic_write(tmp_path / "x.safetensors", overwrite=False) as temporary:
        save_tensors({"x": torch.zeros(2)}, temporary)
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
