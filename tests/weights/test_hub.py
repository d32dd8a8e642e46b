"""Downloads against a local server: complete, resumed, refused, wrong; nothing half-written ever bears a file's name."""

import errno
import os
import random
from dataclasses import replace
from pathlib import Path

import hub_server
import pytest
import torch
from hub_server import TOKEN, Cancelled, hub_file, toy_base
from safetensors.torch import save

import dismo_core as dismo
from dismo_core.cogvideox.weights import BASE
from dismo_core.dismo.weights import RELEASED
from dismo_core.weights import hub, registry

CHUNK = 10 << 20  # of the client library: what it writes at a time
CONTENT = random.Random(0).randbytes(2 * CHUNK + 12345)
NAME = "someone/model/model.pt"
TOY = Path(__file__).parents[1] / "goldens" / "tiny-CogVideoX-I2V"
FILE = hub_file("model.pt", CONTENT)


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    with hub_server.serving() as state:
        with hub_server.client(state.endpoint, tmp_path_factory.mktemp("home")) as run:
            yield state, run


@pytest.fixture
def online(serving):
    serving[0].reset()
    serving[0].files[NAME] = CONTENT
    return serving


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def part(folder):
    (found,) = folder.glob(".model.pt.*.part")
    return found


def test_a_file_comes_whole_with_progress_and_the_token_stays_with_the_hub(online, tmp_path):
    server, run = online
    path, reports = run(hub_server.fetch, FILE, tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["new/folder/model.pt"]
    assert reports == sorted(reports) and reports[-1] == (len(CONTENT), len(CONTENT)) and len(reports) > 1
    tokens = {path.split("/")[1]: headers.get("authorization") for _, path, headers in server.asked}
    assert tokens == {"someone": f"Bearer {TOKEN}", "cdn": None}


def test_what_is_there_is_not_fetched_again(online, tmp_path):
    server, run = online
    (tmp_path / "model.pt").write_bytes(CONTENT)
    run(hub_server.fetch, FILE, tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"x"], ids=["size", "checksum"])
def test_a_file_of_that_name_with_other_content_is_left_alone(online, tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(dismo.DisMoError, match="exists and is not the file of someone/model: it"):
        online[1](hub_server.fetch, FILE, tmp_path)
    assert (tmp_path / "model.pt").read_bytes() == content


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_connection_that_breaks_or_falls_silent_is_taken_up_again(online, tmp_path, fault):
    server, run = online
    server.faults = [(fault, CHUNK + 100)]
    path, _ = run(hub_server.fetch, FILE, tmp_path)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["model.pt"]
    assert [headers.get("range") for headers in server.transfers()] == [None, f"bytes={CHUNK}-"]


def test_a_later_run_goes_on_where_one_ended(online, tmp_path):
    server, run = online
    server.faults = [("cut", CHUNK + 100), ("status", 403)]
    with pytest.raises(dismo.DisMoError, match="HTTP 403.* run it again to resume from there"):
        run(hub_server.fetch, FILE, tmp_path)
    assert not (tmp_path / "model.pt").exists() and part(tmp_path).stat().st_size == CHUNK
    server.asked.clear()
    path, reports = run(hub_server.fetch, FILE, tmp_path)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["model.pt"]
    assert [headers["range"] for headers in server.transfers()] == [f"bytes={CHUNK}-"]
    assert reports[0][0] > CHUNK


def test_cancelling_passes_through_and_keeps_what_has_arrived(online, tmp_path):
    server, run = online
    with pytest.raises(Cancelled):
        run(hub_server.fetch, FILE, tmp_path, 1)
    assert part(tmp_path).stat().st_size == CHUNK and not (tmp_path / "model.pt").exists()
    assert run(hub_server.fetch, FILE, tmp_path)[0].read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(online, tmp_path):
    server, run = online
    server.ranges, server.faults = False, [("cut", CHUNK + 100), ("status", 403)]
    with pytest.raises(dismo.DisMoError, match="HTTP 403"):
        run(hub_server.fetch, FILE, tmp_path)
    path, reports = run(hub_server.fetch, FILE, tmp_path)
    assert path.read_bytes() == CONTENT and reports[-1] == (len(CONTENT), len(CONTENT))


def test_a_partial_file_of_other_content_is_not_continued(online, tmp_path):
    server, run = online
    (tmp_path / ".model.pt.00000000.part").write_bytes(b"other content")
    assert run(hub_server.fetch, FILE, tmp_path)[0].read_bytes() == CONTENT


def test_wrong_bytes_are_removed(online, tmp_path):
    server, run = online
    server.sent[NAME] = CONTENT[:-1] + b"x"
    with pytest.raises(dismo.DisMoError, match="wrong content: its checksum is .* It was removed"):
        run(hub_server.fetch, FILE, tmp_path)
    assert names(tmp_path) == []


def test_another_file_on_the_hub_is_not_fetched(online, tmp_path):
    server, run = online
    server.files[NAME] = CONTENT[:-1] + b"x"
    with pytest.raises(dismo.DisMoError, match="The hub offers another model.pt"):
        run(hub_server.fetch, FILE, tmp_path)
    assert server.transfers() == []


REFUSALS = {
    401: "refuses model.pt of someone/model .HTTP 401.* HF_TOKEN",
    403: "refuses .*HTTP 403.* consent",
    404: "has no model.pt in someone/model",
    503: "HTTP 503 .* Try again later",
}


@pytest.mark.parametrize("status", REFUSALS)
def test_refusals_say_what_to_do(online, tmp_path, status):
    server, run = online
    server.refuse = status
    with pytest.raises(dismo.DisMoError, match=REFUSALS[status]):
        run(hub_server.fetch, FILE, tmp_path)
    assert names(tmp_path) == []


def test_room_is_looked_for_before_the_network(online, tmp_path):
    server, run = online
    with pytest.raises(dismo.DisMoError, match="free, and 1e.03 TB are needed"):
        run(hub_server.fetch, replace(FILE, size=10**15), tmp_path)
    assert server.asked == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full, which is always full")
def test_a_disk_that_fills_up_is_named(online, tmp_path):
    (tmp_path / f".model.pt.{FILE.etag[:8]}.part").symlink_to("/dev/full")
    with pytest.raises(dismo.DisMoError, match=os.strerror(errno.ENOSPC)):
        online[1](hub_server.fetch, FILE, tmp_path)
    assert not (tmp_path / "model.pt").exists()


def test_two_processes_do_not_write_one_file(online, tmp_path):
    from huggingface_hub.utils import WeakFileLock

    server, run = online
    with WeakFileLock(tmp_path / f".model.pt.{FILE.etag[:8]}.lock"):
        with pytest.raises(dismo.DisMoError, match="Another process"):
            run(hub_server.fetch, FILE, tmp_path)
    assert run(hub_server.fetch, FILE, tmp_path)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["../model.pt", "/model.pt", "a/../../model.pt", "a\\..\\model.pt", "C:model.pt"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, path):
    with pytest.raises(dismo.DisMoError, match="outside"):
        hub.fetch(replace(FILE, path=path), tmp_path)


# Released files by name


def test_require_fetches_and_checks(online, tmp_path):
    assert online[1](hub_server.require, "made_up", FILE, tmp_path).read_bytes() == CONTENT


def test_a_missing_file_is_named_with_all_that_is_needed(tmp_path):
    file = RELEASED["motion_extractor_large"]
    with pytest.raises(dismo.DisMoError) as caught:
        hub.require("motion_extractor_large", [tmp_path])
    for text in (file.path, "2.38 GB", "CC BY-NC 4.0", str(tmp_path), "download=True"):
        assert text in str(caught.value)


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(dismo.DisMoError, match="'large'; there are: motion_extractor_large, cogvideox5b_i2v_large"):
        hub.require("large")


def test_files_are_found_in_any_folder_and_in_the_cache_of_the_hub_library(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.RELEASED, "made_up", FILE)
    first, second, cache = (tmp_path / name for name in ("first", "second", "cache"))
    snapshot = cache / "models--someone--model" / "snapshots" / hub_server.COMMIT
    refs = snapshot.parent.parent / "refs"
    for folder in (first, second, snapshot, refs):
        folder.mkdir(parents=True)
    (refs / "main").write_text(hub_server.COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    for path in (snapshot / "model.pt", second / "model.pt", first / "model.safetensors"):
        path.write_bytes(CONTENT)
        assert hub.require("made_up", [first, second]) == path


def test_the_default_folder_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.RELEASED, "made_up", FILE)
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    (tmp_path / "model.pt").write_bytes(CONTENT)
    assert hub.require("made_up") == tmp_path / "model.pt"


# The base model


@pytest.fixture
def base_online(online):
    online[0].files = toy_base() | {f"{BASE.repo}/{name}": b"x" for name in ("README.md", "transformer/other.bin")}
    return online


def test_a_base_comes_whole_and_nothing_beside(base_online, tmp_path):
    server, run = base_online
    folder, reports = run(hub_server.require_base, tmp_path)
    assert folder == tmp_path / "CogVideoX-5b-I2V"
    assert names(folder) == sorted(path.removeprefix(f"{BASE.repo}/") for path in toy_base())
    total = sum(map(len, toy_base().values()))
    assert reports == sorted(reports) and reports[-1] == (total, total)
    assert all(f"/resolve/{hub_server.COMMIT}/" in path for _, path, _ in server.asked if "/resolve/" in path)
    server.asked.clear()
    assert run(hub_server.require_base, tmp_path)[0] == folder and server.asked == []
    assert hub.require_base(BASE, [tmp_path]) == folder


def test_weights_that_come_from_elsewhere_are_neither_fetched_nor_missed(base_online, tmp_path):
    server, run = base_online
    folder, _ = run(hub_server.require_base, tmp_path, ["text_encoder", "vae"])
    found = [path.removeprefix("CogVideoX-5b-I2V/") for path in names(tmp_path)]
    assert not [path for path in found if path.startswith(("text_encoder/", "vae/")) and path.endswith(".safetensors")]
    assert [path for path in found if path.startswith("transformer/") and path.endswith(".safetensors")]
    assert hub.require_base(BASE, [tmp_path], without=["text_encoder", "vae"]) == folder
    with pytest.raises(dismo.DisMoError, match="vae lacks"):
        hub.require_base(BASE, [tmp_path], without=["text_encoder"])
    run(hub_server.require_base, tmp_path)  # asked for whole later on, it is completed
    assert hub.require_base(BASE, [tmp_path]) == folder


def test_a_base_is_found_in_the_hub_librarys_cache_under_its_former_name_too(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    snapshot = cache / "models--THUDM--CogVideoX-5b-I2V" / "snapshots" / hub_server.COMMIT
    for path, content in toy_base().items():
        file = snapshot / path.removeprefix(f"{BASE.repo}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(hub_server.COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    assert hub.require_base(BASE, [tmp_path]) == snapshot


def test_a_base_that_was_cut_off_is_completed(base_online, tmp_path):
    server, run = base_online
    server.faults = [("", 0), ("status", 403)]
    with pytest.raises(dismo.DisMoError, match="HTTP 403"):
        run(hub_server.require_base, tmp_path)
    done = names(tmp_path)
    assert done and "CogVideoX-5b-I2V/model_index.json" not in done
    with pytest.raises(dismo.DisMoError, match="CogVideoX-5b-I2V .about 21.* is not in .*download=True"):
        hub.require_base(BASE, [tmp_path])
    server.asked.clear()
    run(hub_server.require_base, tmp_path)
    assert not {f"CogVideoX-5b-I2V/{path.split(hub_server.COMMIT + '/')[-1]}" for _, path, _ in server.asked} & set(
        done
    )


def test_a_hub_id_as_base_is_fetched_checked_and_taken_up_where_it_was_cut_off(online, tmp_path):
    server, run = online
    server.files = {
        f"someone/toy/{path.relative_to(TOY).as_posix()}": path.read_bytes()
        for path in TOY.rglob("*")
        if path.is_file()
    }
    server.faults = [("", 0), ("status", 403)]
    with pytest.raises(dismo.DisMoError, match="HTTP 403"):
        run(hub_server.load_base, "someone/toy", tmp_path)
    done = [name for name in names(tmp_path) if name.endswith(".safetensors")]
    assert done and not (tmp_path / "toy/model_index.json").exists()
    server.asked.clear()
    assert run(hub_server.load_base, "someone/toy", tmp_path) == 2
    fetched = {path.removeprefix("/cdn/someone/") for _, path, _ in server.asked if path.startswith("/cdn/")}
    assert fetched and not fetched & set(done)


def test_a_base_whose_files_do_not_belong_together_is_refused(base_online, tmp_path):
    server, run = base_online
    server.files[f"{BASE.repo}/transformer/diffusion_pytorch_model-00002-of-00002.safetensors"] = save(
        {"layer3": torch.zeros(8)}
    )
    with pytest.raises(dismo.DisMoError, match="lacks 1 tensors that its index names, as layer2"):
        run(hub_server.require_base, tmp_path)


def test_a_repository_without_a_model_is_refused(base_online, tmp_path):
    server, run = base_online
    del server.files[f"{BASE.repo}/model_index.json"]
    with pytest.raises(dismo.DisMoError, match="no diffusers model"):
        run(hub_server.require_base, tmp_path)


def test_a_base_without_one_file_is_named(base_online, tmp_path):
    folder, _ = base_online[1](hub_server.require_base, tmp_path)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(dismo.DisMoError, match="vae lacks diffusion_pytorch_model.safetensors"):
        hub.require_base(BASE, [tmp_path])
