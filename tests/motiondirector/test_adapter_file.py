"""Adapter files: where they are found, what is refused and in which words, sums."""

import logging
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from toy_text_to_video import toy_unet

from dismo_core import DisMoError
from dismo_core.motiondirector import DualPathLoRA, find_adapter
from dismo_core.motiondirector.adapter_file import read_adapter, write_adapter
from dismo_core.motiondirector.merge import merge_adapters, one_adapter, sum_adapters


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Part -> file of toy adapters, three of the appearance; and of another base."""
    folder = tmp_path_factory.mktemp("adapters")
    unet = toy_unet()
    for name, seed in (("first", 0), ("second", 1)):
        lora = DualPathLoRA(unet, rank=4, appearances=3)
        torch.manual_seed(seed)
        with torch.no_grad():
            for p in lora.parameters():
                p.normal_(std=0.3)
        lora.save("motion", folder / f"{name}.safetensors", {"base": "toy"})
        lora.save("motion", folder / f"{name}.pt")
        lora.save("appearance", folder / f"{name}_looks.pt")
        lora.save("appearance", folder / f"{name}_looks.safetensors")
        lora.remove()
    return folder


LAYOUTS = {
    "a run, finished": ("temporal/lora/150_unet.pt", "checkpoint-50/temporal/lora/50_unet.pt"),
    "a run that was stopped": ("checkpoint-150/temporal/lora/150_unet.pt", "checkpoint-50/temporal/lora/50_unet.pt"),
    "the released layout": ("checkpoint-default/temporal/lora/default_unet.pt",),
    "a lora folder": ("lora/300_unet.safetensors", "lora/other.pt"),
    "ours": ("motion.safetensors", "appearance.safetensors"),
    "a folder of runs": (
        "train_2023-12-26T13-08-20/temporal/lora/300_unet.pt",
        "train_2023-01-01T00-00-00/temporal/lora/9_unet.pt",
    ),
}


@pytest.mark.parametrize("paths", LAYOUTS.values(), ids=LAYOUTS)
def test_a_file_is_found_in_every_layout(tmp_path, paths):
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    assert find_adapter(tmp_path, "motion") == tmp_path / paths[0]
    assert find_adapter(tmp_path / paths[0], "appearance") == tmp_path / paths[0]  # a file is taken as it is
    with pytest.raises(DisMoError, match="There is no part"):
        find_adapter(tmp_path, "temporal")


class Code:
    def __reduce__(self):
        return os.system, ("true",)


def change(files, index, make):
    tensors = torch.load(files / "first.pt", weights_only=True)
    tensors[index] = make(tensors[index])
    return tensors


BAD = {
    "code": (lambda files: [Code()], r"would have to run code"),
    "a mapping": (lambda files: {"a": torch.zeros(1)}, "holds a dict, not a list"),
    "an odd list": (lambda files: change(files, 0, lambda t: t)[:-1], "odd number"),
    "another length": (lambda files: change(files, 0, lambda t: t)[:-2], r"98 entries; .* base has 100"),
    "a wrong shape": (
        lambda files: change(files, 21, lambda t: t[:, :-1]),
        r"first wrong layer is down_blocks.0.temp_attentions.0.transformer_blocks.0.attn1.to_q",
    ),
    "NaN": (lambda files: change(files, 3, lambda t: t * float("nan")), r"NaN.* in transformer_in.*attn1.to_k"),
    "nothing": (lambda files: [], "0 tensors that are no adapter"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_bad_lists_are_refused(files, tmp_path, make, message):
    path = tmp_path / "9_unet.pt"
    content = make(files)
    if any(isinstance(value, Code) for value in content):
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(DisMoError, match=message):
        read_adapter(path, toy_unet(), "motion")


def test_wrong_files_are_refused(files, tmp_path):
    unet = toy_unet()
    with pytest.raises(DisMoError, match="is a motion adapter .*not an appearance adapter.*motion adapter is chosen"):
        DualPathLoRA.from_files(unet, appearance=files / "first.safetensors")
    with pytest.raises(DisMoError, match="is an appearance adapter .*not a motion adapter"):
        DualPathLoRA.from_files(unet, motion=files / "first_looks.safetensors")
    with pytest.raises(DisMoError, match="is an appearance adapter"):
        DualPathLoRA.from_files(unet, motion=files / "first_looks.pt")
    with pytest.raises(DisMoError, match="not for the published bases. Name its base"):
        read_adapter(files / "first.pt")
    save_file({"unet.x.lora_A.weight": torch.zeros(1, 1)}, tmp_path / "style.safetensors")
    with pytest.raises(DisMoError, match="an ordinary LoRA, not a motion adapter of MotionDirector"):
        DualPathLoRA.from_files(unet, motion=tmp_path / "style.safetensors")
    tensors = {
        name.replace("down_blocks.0", "down_blocks.7"): t for name, t in _named(files / "first.safetensors").items()
    }
    save_file(tensors, tmp_path / "other.safetensors", {"part": "motion", "base": "elsewhere"})
    with pytest.raises(DisMoError, match=r"for another base \(elsewhere\): it changes down_blocks.7"):
        read_adapter(tmp_path / "other.safetensors", unet)
    tensors = _named(files / "first.safetensors")
    tensors.pop("motion.0.transformer_in.transformer_blocks.0.attn1.to_q.lora_up.weight")
    save_file(tensors, tmp_path / "half.safetensors", {"part": "motion"})
    with pytest.raises(DisMoError, match=r"lacks 1 tensors, as motion.0.transformer_in"):
        read_adapter(tmp_path / "half.safetensors", unet)
    with pytest.raises(DisMoError, match="There is no adapter file"):
        read_adapter(tmp_path / "none.pt")
    with pytest.raises(DisMoError, match="holds no motion adapter"):
        find_adapter(tmp_path, "motion")
    with pytest.raises(DisMoError, match="Name a file"):
        DualPathLoRA.from_files(unet)
    DualPathLoRA(unet)  # nothing was left in it


def _named(path):
    from safetensors.torch import load_file

    return load_file(path)


def test_nothing_half_is_written(files, tmp_path):
    file = read_adapter(files / "first.safetensors")
    with pytest.raises(DisMoError, match="suffix '.bin'"):
        write_adapter(file, tmp_path / "a.bin")
    (tmp_path / "a.pt").write_bytes(b"mine")
    with pytest.raises(DisMoError, match="exists already"):
        write_adapter(file, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_bytes() == b"mine" and len(list(tmp_path.iterdir())) == 1


def update(file, layer):
    up, down = file.pairs(0)[layer]
    return up.double() @ down.double()


def test_a_sum_is_exact_and_a_reduction_says_what_it_keeps(files):
    first, second = (read_adapter(files / f"{name}.safetensors") for name in ("first", "second"))
    whole = merge_adapters([first, second], [0.5, -2.0])
    assert whole.kept == 1 and whole.file.rank == 8 and whole.file.metadata["base"] == "toy"
    for layer in (0, 17, 49):
        torch.testing.assert_close(
            update(whole.file, layer), 0.5 * update(first, layer) - 2 * update(second, layer), atol=1e-5, rtol=0
        )
    small = merge_adapters([first, second], [0.5, -2.0], rank=4)
    assert small.file.rank == 4 and 0.9 < small.kept < 1
    distance = sum(float((update(small.file, i) - update(whole.file, i)).square().sum()) for i in range(50))
    energy = sum(float(update(whole.file, i).square().sum()) for i in range(50))
    assert distance / energy == pytest.approx(1 - small.kept, abs=1e-5)
    again = merge_adapters([small.file], [1], rank=4)
    torch.testing.assert_close(update(again.file, 5), update(small.file, 5), atol=1e-5, rtol=0)


def test_one_of_several_and_their_sum(files):
    several = read_adapter(files / "first_looks.safetensors")
    single = [one_adapter(several, k) for k in range(3)]
    assert [file.count for file in single] == [1, 1, 1] and several.count == 3
    average = sum_adapters(several)
    assert average.rank == 12
    torch.testing.assert_close(update(average, 3), sum(update(file, 3) for file in single) / 3, atol=1e-6, rtol=0)
    with pytest.raises(DisMoError, match="counted from 0; there is no 3"):
        one_adapter(several, 3)
    with pytest.raises(DisMoError, match="2 scales for the 3"):
        sum_adapters(several, [1, 1])
    with pytest.raises(DisMoError, match="holds 3 adapters. Choose one"):
        merge_adapters([several], [1])
    with pytest.raises(DisMoError, match="of the appearance and .* of the motion"):
        merge_adapters([single[0], read_adapter(files / "first.safetensors")], [1, 1])


def test_reading_says_nothing(files, caplog):
    with caplog.at_level(logging.INFO):
        read_adapter(files / "first.safetensors")
    assert not caplog.text
