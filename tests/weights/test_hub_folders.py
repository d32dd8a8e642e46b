"""Bases whose weights are .bin files, and repositories of many small ones, by the command that fetches them."""

import hub_server
import pytest
from toy_text_to_video import write_base

from dismo_core.gaussians4d.weights import IMAGEDREAM, LGM, LGM_FILE, find_folders
from dismo_core.motiondirector import find_adapter
from dismo_core.motiondirector.weights import ADAPTERS
from dismo_core.text_to_video import load_text_to_video
from dismo_core.text_to_video.weights import ZEROSCOPE


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    with hub_server.serving() as state:
        with hub_server.client(state.endpoint, tmp_path_factory.mktemp("home")) as run:
            state.reset()
            yield state, run


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_of_a_base_safetensors_are_fetched_where_there_are_some_and_bin_else(online, tmp_path):
    server, run = online
    write_base(tmp_path / "pickled", pickled=True, older=True)
    write_base(tmp_path / "newer")
    files = {name: (tmp_path / "pickled" / name).read_bytes() for name in names(tmp_path / "pickled")}
    vae = "vae/diffusion_pytorch_model.safetensors"
    files |= {vae: (tmp_path / "newer" / vae).read_bytes(), "zs2_XL/other.pth": b"x", "README.md": b"x"}
    server.files = {f"{ZEROSCOPE.repo}/{name}": content for name, content in files.items()}
    assert run(hub_server.command, "weights", "download", ZEROSCOPE.name, "--to", str(tmp_path / "to")) == 0
    found = names(tmp_path / "to" / ZEROSCOPE.name)
    weights = [name for name in found if name.endswith((".bin", ".safetensors", ".pth"))]
    assert weights == ["text_encoder/pytorch_model.bin", "unet/diffusion_pytorch_model.bin", vae]
    assert load_text_to_video(tmp_path / "to" / ZEROSCOPE.name).size == (576, 320)


def test_the_published_adapters_come_without_what_lies_beside(online, tmp_path):
    server, run = online
    lists = {
        f"{ADAPTERS[0].repo}/train/riding_horse/checkpoint-default/temporal/lora/default_unet.pt": b"newer",
        f"{ADAPTERS[1].repo}/train/car_16/checkpoint-150/temporal/lora/150_unet.pt": b"older",
    }
    beside = [f"{ADAPTERS[1].repo}/train/car_16/cached_latents/cached_0.pt", f"{ADAPTERS[0].repo}/README.md"]
    server.files = lists | dict.fromkeys(beside, b"x")
    assert run(hub_server.command, "weights", "download", "motiondirector", "--to", str(tmp_path)) == 0
    place = tmp_path / "motiondirector"
    assert names(place) == [
        "MotionDirector/train/riding_horse/checkpoint-default/temporal/lora/default_unet.pt",
        "MotionDirector_weights/train/car_16/checkpoint-150/temporal/lora/150_unet.pt",
    ]
    assert find_adapter(place / "MotionDirector_weights/train/car_16", "motion").read_bytes() == b"older"
    del server.files[next(iter(lists))]
    assert run(hub_server.command, "weights", "download", "motiondirector", "--to", str(tmp_path / "b")) == 2


def test_an_lgm_comes_with_its_imagedream(online, tmp_path):
    server, run = online
    wanted = {f"{LGM.repo}/{LGM_FILE}": b"lgm", f"{IMAGEDREAM.repo}/unet/config.json": b"{}"}
    beside = [f"{LGM.repo}/model_fp16.safetensors", f"{IMAGEDREAM.repo}/pipeline.py"]
    server.files = wanted | dict.fromkeys(beside, b"x")
    assert run(hub_server.command, "weights", "download", "lgm-big", "--to", str(tmp_path)) == 0
    lgm, dream = find_folders("lgm-big", [tmp_path])
    assert names(lgm) == [LGM_FILE] and names(dream) == ["unet/config.json"]
