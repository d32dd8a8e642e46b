"""Training the adapter on a toy base: what is trained and written, resume, the cache of latents and text."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dismo_core import (
    CogVideoXMotionAdapter,
    DisMoError,
    MotionExtractor,
    load_cogvideox_adapter,
    load_motion_extractor,
)
from dismo_core.cli.main import main
from dismo_core.cogvideox.base import load_base
from dismo_core.data.addresses import find_shards
from dismo_core.data.captioned import CaptionedClips
from dismo_core.data.index import ShardIndex
from dismo_core.dismo.training.finetune import SCHEDULE, AdapterObjective, Footage, export, finetune
from dismo_core.dismo.training.latents import LatentCache
from dismo_core.training.checkpoint import latest_checkpoint
from dismo_core.training.distributed import World

BASE = Path(__file__).parents[2] / "goldens" / "tiny-CogVideoX-I2V"
QUICK = replace(SCHEDULE, steps=4, lr=1e-3, warmup=1, save_every=2, log_every=1)


def make_adapter(dtype=torch.float32):
    torch.manual_seed(0)
    geometry = dict(d_cond=16, rank=4, alpha=2, dtype=dtype)
    return CogVideoXMotionAdapter(load_base(BASE, dtype), load_motion_extractor("tiny"), **geometry)


def footage(shards, **changes):
    return Footage(find_shards([shards]), frames=9, seed=5, **changes)


def clips_of(shards, adapter, **changes):
    return CaptionedClips(ShardIndex(find_shards([shards])), adapter.size, 9, 8.0, 5, **changes)


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """An unbroken run of four steps: its folder and adapter."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, finetune(folder, make_adapter(), footage(shards), QUICK)


def test_the_command_trains_and_writes_a_file_that_loads(shards, tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--base", str(BASE), "--data_paths", str(shards), "--out_dir", str(out), "--extractor", "tiny"]
    options += ["--rank", "4", "--frames", "9", "--workers", "0", "--device", "cpu", "--lr", "1e-3"]
    options += ["--log-every", "1", "--save-every", "1"]
    assert main(["finetune", *options, "--max_steps", "2"]) == 0
    file = out / "cogvideox_adapter.safetensors"
    adapter = load_cogvideox_adapter(file, base=BASE, dtype=torch.float32)
    state = adapter.state_dict()
    assert same(load_file(file), state)
    path = "transformer.transformer_blocks.1.attn1.to_out.0"
    assert {f"{path}.lora_{part}.default.weight" for part in ("A", "B", "emb_gamma", "emb_beta")} < state.keys()
    assert adapter.extractor_id == load_motion_extractor("tiny").extractor_id
    assert float(state[f"{path}.lora_B.default.weight"].abs().max()) > 0
    checkpoint = latest_checkpoint(out)["model"]
    assert checkpoint.keys() == {name for name in state if not name.startswith("motion_extractor.")}
    more = ["--base", str(BASE), "--data", str(shards), "--out", str(tmp_path / "more"), "--load-checkpoint", str(file)]
    more += ["--frames", "9", "--workers", "0", "--device", "cpu", "--lr", "1e-12", "--steps", "1"]
    assert main(["finetune", *more]) == 0
    again = load_file(tmp_path / "more" / "cogvideox_adapter.safetensors")
    assert all(torch.allclose(v, again[name]) for name, v in state.items())
    assert main(["finetune", *options, "--max_steps", "2", "--resume", "never"]) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_bfloat16_adapter_learns_in_float32_and_is_written_in_bfloat16(shards, tmp_path):
    """Steps of 1e-5 are far below what bfloat16 can add to these weights, and so is what an average takes of them."""
    adapter = make_adapter(torch.bfloat16)
    finetune(tmp_path, adapter, footage(shards), replace(QUICK, lr=1e-5, average=0.9))
    kept, before = latest_checkpoint(tmp_path), make_adapter(torch.bfloat16).state_dict()
    names = [name for name in before if "lora_A" in name]
    for name in names:
        for after in (kept["model"][name], kept["averaged"]["module." + name]):
            moved = (after - before[name].float()).abs()
            assert after.dtype == torch.float32 and 0 < float(moved.max()) < 1e-4
    written = load_file(export(adapter, tmp_path))
    assert names and {written[name].dtype for name in names} == {torch.bfloat16}
    load_cogvideox_adapter(tmp_path / "cogvideox_adapter.safetensors", base=BASE, dtype=torch.bfloat16)


def test_it_trains_the_adapter_and_nothing_else(whole):
    before, after = make_adapter(), whole[1]
    frozen = {k: v for k, v in before.base.transformer.state_dict().items() if ".motion." not in k}
    assert same(frozen, after.base.transformer.state_dict())
    old, new = before.state_dict(), after.state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed == {name for name in old if not name.startswith("motion_extractor.")}


def test_a_resumed_run_equals_an_unbroken_one(shards, tmp_path, whole):
    finetune(tmp_path, make_adapter(), footage(shards), QUICK)
    (tmp_path / "checkpoint_0000004.pt").unlink()
    assert same(finetune(tmp_path, make_adapter(), footage(shards), QUICK).state_dict(), whole[1].state_dict())


def test_the_loss_goes_down(shards, tmp_path):
    adapter = make_adapter()
    clip = clips_of(shards, adapter)[0]

    def loss():
        with torch.no_grad():
            return sum(float(AdapterObjective(adapter)([clip._replace(seed=s)], [])) for s in range(4))

    before = loss()
    finetune(tmp_path, adapter, footage(shards), replace(QUICK, steps=25, lr=3e-3, save_every=25))
    assert loss() < 0.98 * before


def test_kept_latents_and_text_give_the_same_loss(shards, tmp_path):
    adapter = make_adapter()
    clips = clips_of(shards, adapter, fixed=True)
    cache = LatentCache(tmp_path, clips, adapter)
    usable = cache.fill(World())
    assert usable == list(range(6))
    batch = [clips.clip(entry, 0)._replace(seed=11) for entry in (1, 2)]
    assert sorted(clip.caption for clip in batch) == ["", "a red fox turns."]
    objective = AdapterObjective(adapter)
    with torch.no_grad():
        adapter.init_gru_state.normal_()
        plain, kept = objective(batch, []), objective(batch, [cache.read(entry) for entry in (1, 2)])
    assert float(kept) == pytest.approx(float(plain), rel=1e-5)


def test_with_a_cache_the_text_encoder_goes_and_a_second_run_computes_nothing(shards, tmp_path):
    kept = footage(shards, cache=tmp_path / "cache")
    first = finetune(tmp_path / "one", make_adapter(), kept, QUICK)
    assert first.base.text_encoder is None
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert len(files) == 6
    second = finetune(tmp_path / "two", make_adapter(), kept, QUICK)
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert same(first.state_dict(), second.state_dict())


def test_clips_are_functions_of_seed_and_number_and_have_the_bases_size(shards):
    adapter = make_adapter()
    a, b = clips_of(shards, adapter), clips_of(shards, adapter)
    for number in (7, 0):
        assert torch.equal(a[number].frames, b[number].frames) and a[number].seed == b[number].seed
    assert a[0].frames.shape == (9, *adapter.size, 3) and a[0].frames.dtype == torch.uint8
    assert sorted(a[k].entry for k in range(6)) == list(range(6))


def test_footage_too_short_for_the_clip_is_an_error(shards, tmp_path):
    long = replace(footage(shards), frames=25)
    with pytest.raises(DisMoError, match="too short"):
        finetune(tmp_path / "plain", make_adapter(), long, QUICK)
    with pytest.raises(DisMoError, match="None of the 6 videos"):
        finetune(tmp_path / "kept", make_adapter(), replace(long, cache=tmp_path / "cache"), QUICK)


def test_a_sheet_of_transfers_is_drawn(shards, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    finetune(tmp_path, make_adapter(), footage(shards), replace(QUICK, steps=2, draw_every=2))
    found = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (sheet,) = found.Images("transfers")
    assert (sheet.width, sheet.height) == (3 * 96, 2 * 64)
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2]


def test_an_average_of_the_trained_weights_alone_is_kept(shards, tmp_path):
    schedule = replace(QUICK, average=0.5)
    found = finetune(tmp_path / "whole", make_adapter(), footage(shards), schedule).state_dict()
    kept = latest_checkpoint(tmp_path / "whole")
    names = {"module." + name for name in kept["model"]} | {"n_averaged"}
    assert kept["averaged"].keys() == names and int(kept["averaged"]["n_averaged"]) == 4
    assert all(torch.equal(found[name], kept["averaged"]["module." + name]) for name in kept["model"])
    assert not same(kept["model"], found)
    finetune(tmp_path / "parts", make_adapter(), footage(shards), schedule)
    (tmp_path / "parts" / "checkpoint_0000004.pt").unlink()
    assert same(finetune(tmp_path / "parts", make_adapter(), footage(shards), schedule).state_dict(), found)


@pytest.mark.skipif(shutil.which("cat") is None, reason="the address is a shell command, and this system has no `cat`")
def test_shards_behind_an_address(shards, tmp_path):
    piped = replace(footage(shards), shards=[f"pipe:cat {tar}" for tar in find_shards([shards])], batch=2)
    (batch,) = piped.batches(make_adapter().size, 3, 4, World())
    assert [clip.frames.shape for clip in batch] == [(9, 64, 96, 3)] * 2 and len({clip.seed for clip in batch}) == 2
    captions = {clip.caption for clip in next(replace(piped, batch=6).batches((64, 96), 0, 1, World()))}
    assert captions == {"", "a red fox turns."}
    finetune(tmp_path / "run", make_adapter(), piped, replace(QUICK, steps=2))
    assert latest_checkpoint(tmp_path / "run")["step"] == 2
    with pytest.raises(DisMoError, match="without a cache"):
        finetune(tmp_path / "kept", make_adapter(), replace(piped, cache=tmp_path / "cache"), QUICK)


@pytest.mark.slow
def test_compiled_blocks_give_the_same_losses(shards, tmp_path):
    for name in ("plain", "compiled"):
        finetune(tmp_path / name, make_adapter(), footage(shards), QUICK, compile=name == "compiled")
    plain, compiled = (
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("plain", "compiled")
    )
    assert compiled == pytest.approx(plain, rel=1e-3)


def test_the_file_carries_an_extractor_of_any_geometry(tmp_path):
    small = MotionExtractor(
        width=32, depth=1, d_head=16, d_motion=8, train_resolution=(8, 32, 32),
        frame_encoder=dict(embed_dim=24, depth=1, num_heads=2, image_size=28),
    )  # fmt: skip
    geometry = dict(d_cond=16, rank=4, alpha=2, dtype=torch.float32)
    path = export(CogVideoXMotionAdapter(load_base(BASE, torch.float32), small, **geometry), tmp_path)
    loaded = load_cogvideox_adapter(path, base=BASE, dtype=torch.float32)
    assert loaded.extractor_id == small.extractor_id and loaded.motion_extractor.size == (32, 32)
