"""Training on video shards: the command, resume, what is trained, where it starts; on very small models."""

import json
from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderTiny
from micro import MICRO, autoencoder, train
from safetensors.torch import load_file, save_file

from dismo_core import DisMoError, load_frame_generator, load_motion_extractor, write_video
from dismo_core.cli.main import main
from dismo_core.data.addresses import find_shards
from dismo_core.dismo.models.extractor import fingerprint
from dismo_core.dismo.training.batches import clip_batches
from dismo_core.dismo.training.presets import PRESETS, build, taesd
from dismo_core.dismo.training.videos import VideoObjective, batch_losses, draws, export, transfer_sheet
from dismo_core.weights.files import read_weights


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def differing(a, b):
    return [name for name in a if not torch.equal(a[name], b[name])]


@pytest.fixture(scope="module")
def batch(shards):
    return next(clip_batches(find_shards([shards]), 3, size=32, seed=1, stop=3))


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    """An unbroken run of four steps: its folder and weights."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(folder, shards)


def test_the_command_trains_goes_on_and_leaves_files_that_load(shards, tmp_path):
    options = ["--data_paths", str(shards), "--local_batch_size", "1", "--lr", "1e-4", "--workers", "0"]
    options += ["--device", "cpu", "--log-every", "1", "--save-every", "1", "--draw-every", "9", "--seed", "3"]

    def run(name, steps):
        assert main(["train", "tiny", *options, "--out_dir", str(tmp_path / name), "--max_steps", str(steps)]) == 0

    run("whole", 2)
    run("parts", 2)
    (tmp_path / "parts" / "checkpoint_0000002.pt").unlink()  # as if it had been stopped before
    run("parts", 2)
    files = ("motion_extractor.safetensors", "frame_generator.safetensors")
    for name in files:
        assert differing(*(load_file(tmp_path / part / name) for part in ("whole", "parts"))) == []
    assert [row["step"] for row in log_of(tmp_path / "parts")] == [1, 2]
    assert {"loss", "grad_norm", "spread", "spread_vector", "lr"} <= log_of(tmp_path / "parts")[0].keys()
    extractor = load_motion_extractor(tmp_path / "whole" / files[0])
    assert load_frame_generator(tmp_path / "whole" / files[1]).extractor_id == extractor.extractor_id


def test_options_that_do_not_belong_together_are_refused(tmp_path, capsys):
    out = ["--out", str(tmp_path / "run")]
    assert main(["train", "small", *out]) == 2
    assert "--data" in capsys.readouterr().err
    assert main(["train", "tiny", *out, "--data", str(tmp_path), "--joint-steps", "3"]) == 2
    assert "--joint-steps" in capsys.readouterr().err
    assert main(["train", "tiny", *out, "--data", str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err
    for option, value in (("--steps", "3"), ("--lr-warmup", "3"), ("--load-checkpoint", "x.pt"), ("--workers", "2")):
        assert main(["train", "tiny", *out, option, value]) == 2
        assert f"{option} belongs to training on videos" in capsys.readouterr().err
    for command in (["train", "small"], ["finetune", "--base", "nowhere"]):
        for option, value in (("--batch", "0"), ("--workers", "-1"), ("--seed", "-1")):
            assert main([*command, *out, "--data", str(tmp_path), option, value]) == 2
            assert f"{option} must be at least" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_equals_an_unbroken_one(shards, tmp_path, whole):
    train(tmp_path, shards)
    (tmp_path / "checkpoint_0000004.pt").unlink()
    assert differing(whole[1], train(tmp_path, shards)) == []
    assert [row["step"] for row in log_of(tmp_path)] == [1, 2, 3, 4]


def test_accumulated_batches_are_one_large_batch(shards, tmp_path, whole):
    train(tmp_path, shards, replace(MICRO.schedule, accumulation=2), batch=1)
    found, wanted = ([row["loss"] for row in log_of(folder)] for folder in (tmp_path, whole[0]))
    assert found == pytest.approx(wanted, abs=1e-5)


def test_a_run_is_gone_on_with_only_as_it_was(shards, whole):
    with pytest.raises(DisMoError, match="clips in a step was 2 and is now 3"):
        train(whole[0], shards, batch=3)
    with pytest.raises(DisMoError, match="no averaged weights"):
        train(whole[0], shards, replace(MICRO.schedule, average=0.9))


def test_bf16_products_give_about_the_same_loss(shards, tmp_path, whole):
    train(tmp_path, shards, autocast=torch.bfloat16)
    found, wanted = ([row["loss"] for row in log_of(folder)] for folder in (tmp_path, whole[0]))
    assert found != wanted and found == pytest.approx(wanted, rel=0.02)


def test_draws_belong_to_the_sample_not_to_its_place():
    t, noise = draws(torch.tensor([5, 9]), (4, 2, 2, 3))
    other_t, other_noise = draws(torch.tensor([9, 5]), (4, 2, 2, 3))
    assert torch.equal(t.flip(0), other_t) and torch.equal(noise.flip(0), other_noise)
    assert not torch.equal(noise[0], noise[1])
    many, _ = draws(torch.arange(3000), (4, 1, 1, 1))
    assert float(many.logit().mean()) == pytest.approx(0, abs=0.05)
    assert float(many.logit().std()) == pytest.approx(1, abs=0.05)


def test_every_trained_weight_gets_a_gradient(batch):
    extractor, generator = build(MICRO)
    values = batch_losses(VideoObjective(extractor, generator), generator, batch)
    values["loss"].backward()
    trained = {n: p for m in (extractor, generator) for n, p in m.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None] == []
    assert all(p.grad is None for p in generator.autoencoder.parameters())
    motion = extractor.motion(extractor.encode(batch.motion.float() / 127.5 - 1))
    assert float(values["spread_vector"]) == pytest.approx(float(motion.detach().std(dim=2).mean()), abs=1e-5)


def test_the_loss_is_the_generators_own(batch):
    """The same number as `FrameGenerator.loss` gives with the same draws."""
    torch.manual_seed(0)
    extractor, generator = build(MICRO)
    torch.nn.init.normal_(generator.token_split.proj.weight, std=0.1)
    torch.nn.init.normal_(generator.motion_proj.weight, std=0.1)
    found = batch_losses(VideoObjective(extractor, generator), generator, batch)["loss"]

    def frames(x):
        return x.flatten(0, 1).float() / 127.5 - 1

    with torch.no_grad():
        motion = extractor(batch.motion.float() / 127.5 - 1).flatten(0, 1)
        clean = generator.encode(frames(batch.target))
        t, noise = draws(batch.seed, clean.unflatten(0, (3, 4)).shape[1:])
        mix = t.flatten()[:, None, None, None]
        z = (1 - mix) * clean + mix * noise.flatten(0, 1)
        velocity = generator.velocity(z, t.flatten(), frames(batch.source), motion, batch.gap.flatten())
    assert float(found.detach()) == pytest.approx(
        float((velocity - noise.flatten(0, 1) + clean).square().mean()), abs=1e-5
    )


def test_the_large_preset_is_the_published_one():
    with torch.device("meta"):
        generator = PRESETS["large"].generator(AutoencoderTiny())
        extractor = PRESETS["large"].extractor()
    own = sum(v.numel() for k, v in generator.named_parameters() if not k.startswith("source_encoder."))
    assert own == 743_708_960
    assert sum(p.numel() for p in extractor.parameters()) == 594_349_888
    schedule = PRESETS["large"].schedule
    assert (schedule.steps, schedule.lr, schedule.warmup, schedule.clip) == (1_000_000, 5e-5, 10_000, 1.0)
    assert (PRESETS["large"].batch, PRESETS["large"].size, PRESETS["large"].shift) == (4, 256, 1)


def test_extractor_weights_are_taken_strictly_and_only_the_published_parts_train(tmp_path, caplog):
    weights = MICRO.extractor().state_dict()
    torch.save(weights, tmp_path / "extractor.pt")
    save_file(weights, tmp_path / "extractor.safetensors")
    for name in ("extractor.pt", "extractor.safetensors"):
        extractor, generator = build(MICRO, extractor_weights=tmp_path / name)
        assert extractor.extractor_id == fingerprint(weights)
    assert "at random" not in caplog.text
    for encoder in (extractor.frame_encoder, generator.source_encoder):
        assert torch.equal(encoder.model.cls_token, weights["frame_encoder.model.cls_token"])
        trained = {n.split(".")[1] for n, p in encoder.model.named_parameters() if p.requires_grad}
        assert trained == {"1", "2"}  # of three blocks; no norm, no token
    assert extractor.query_tokens.requires_grad and generator.token_merge.proj.weight.requires_grad
    del weights["query_tokens"]
    torch.save(weights, tmp_path / "extractor.pt")
    with pytest.raises(DisMoError, match="1 missing: query_tokens"):
        build(MICRO, extractor_weights=tmp_path / "extractor.pt")


def test_dino_weights_start_both_encoders(tmp_path, caplog):
    build(MICRO)
    assert "at random" in caplog.text
    weights = MICRO.extractor().frame_encoder.model.state_dict()
    torch.save(weights, tmp_path / "dino.pth")
    extractor, generator = build(MICRO, dino=tmp_path / "dino.pth")
    for encoder in (extractor.frame_encoder.model, generator.source_encoder.model):
        assert all(torch.equal(v, weights[k]) for k, v in encoder.state_dict().items())
        assert not encoder.cls_token.requires_grad


def test_the_autoencoder_is_fetched_only_when_asked_for(tmp_path):
    with pytest.raises(DisMoError, match="autoencoder="):
        taesd(tmp_path / "nothing", False)
    autoencoder().save_pretrained(tmp_path / "taesd")
    assert taesd(tmp_path / "taesd", False).config.latent_channels == 4


def test_the_sheet_shows_the_clip_and_two_transfers(batch):
    extractor, generator = build(MICRO)
    sheet = transfer_sheet(extractor, generator, batch)
    assert sheet.shape == (3 * 3 * 32, 5 * 32, 3) and sheet.dtype == torch.uint8
    rows = sheet.unflatten(0, (3, 3, 32)).unflatten(3, (5, 32))
    assert torch.equal(rows[1, 0], batch.motion[1, :5].transpose(0, 1))
    assert torch.equal(rows[1, 1, :, 0], batch.motion[1, 0]) and torch.equal(rows[1, 2, :, 0], batch.motion[0, 0])


def test_numbers_and_pictures_reach_tensorboard(whole):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(whole[0] / "tensorboard")).Reload()
    assert [e.step for e in found.Scalars("loss")] == [1, 2, 3, 4]
    assert [e.step for e in found.Images("transfers")] == [2, 4]


def test_exports_hold_the_autoencoder_too(shards, tmp_path):
    models = build(MICRO)
    written = [load_file(path) for path in export(*models, tmp_path)]
    assert written[0].keys() == models[0].state_dict().keys()
    names = {f"autoencoder.{k}" for k in models[1].autoencoder.state_dict()}
    assert written[1].keys() == models[1].state_dict().keys() | names


def test_trained_models_of_any_geometry_load_and_move_a_picture(tmp_path, capsys):
    """Weights know their geometry: the command line takes what training left, without being told."""
    from PIL import Image

    torch.manual_seed(2)
    extractor, generator = build(MICRO)
    torch.nn.init.normal_(generator.token_split.proj.weight, std=0.1)
    files = export(extractor, generator, tmp_path)
    loaded = load_motion_extractor(files[0])
    assert (loaded.window, loaded.size, loaded.extractor_id) == (8, (32, 32), extractor.extractor_id)
    assert loaded.layers[0].state_dict().keys() == extractor.layers[0].state_dict().keys()
    again = load_frame_generator(files[1])
    assert differing(again.state_dict(), generator.state_dict()) == [] and again.extractor_id == loaded.extractor_id
    assert differing(again.autoencoder.state_dict(), generator.autoencoder.state_dict()) == []
    clip, picture, out = tmp_path / "clip.mp4", tmp_path / "picture.png", tmp_path / "out.mp4"
    write_video(clip, torch.randint(0, 256, (9, 32, 32, 3), dtype=torch.uint8), 8)
    Image.new("RGB", (40, 40), "red").save(picture)
    motion = tmp_path / "motion.safetensors"
    assert main(["extract", str(clip), "--extractor", str(files[0]), "--frames", "9", "-o", str(motion)]) == 0
    options = ["--image", str(picture), "--model", str(files[1]), "--steps", "1"]
    assert main(["transfer", "--motion", str(motion), *options, "-o", str(out)]) == 0
    assert "9 frames of 32x32 px" in capsys.readouterr().out
    # of a clip, the extractor beside the generator's file is taken
    assert main(["transfer", "--motion", str(clip), "--frames", "9", *options, "-o", str(tmp_path / "2.mp4")]) == 0
    damaged = read_weights(files[1])
    for text in ("[1]", '{"width": 32}', json.dumps(json.loads(damaged.metadata["geometry"]) | {"depth": "x"})):
        save_file(damaged.tensors, tmp_path / "damaged.safetensors", {"geometry": text})
        with pytest.raises(DisMoError, match="cannot be made"):
            load_frame_generator(tmp_path / "damaged.safetensors")
    deeper = json.dumps(json.loads(damaged.metadata["geometry"]) | {"depth": 2})
    save_file(damaged.tensors, tmp_path / "deeper.safetensors", {"geometry": deeper})
    with pytest.raises(DisMoError, match=r"missing: transformer.layers.1"):
        load_frame_generator(tmp_path / "deeper.safetensors")
