"""Training: which weights learn, from which frames, from which templates; runs that were stopped; what is written."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from mimo_goldens import CONFIG
from mimo_toy import make_image_encoder, make_vae
from PIL import Image
from safetensors.torch import load_file, save_file

from dismo_core import DisMoError, mimo
from dismo_core.cli.main import main
from dismo_core.mimo.drawn.drawn_scenes import draw_scene
from dismo_core.mimo.load_pipeline import load_networks
from dismo_core.mimo.lora import add_lora, save_lora
from dismo_core.mimo.models.denoising_unet import WITH_OCCLUSION
from dismo_core.mimo.training.examples import Encoders
from dismo_core.mimo.training.export import export_whole
from dismo_core.mimo.training.networks import Networks
from dismo_core.mimo.training.on_templates import RECIPES, StageRun, train_stage
from dismo_core.mimo.training.sheet import SampleSheet
from dismo_core.mimo.training.stage import StageObjective
from dismo_core.mimo.training.template_files import STAGE1, STAGE2, Reading, find_templates, problems, usable
from dismo_core.mimo.training.template_latents import TemplateBatches, encode_templates, template_example
from dismo_core.mimo.training.tiny import TinyRecipe, train_tiny
from dismo_core.mimo.weight_layout import find_layout
from dismo_core.synthetic.draws import Draws
from dismo_core.training.checkpoint import latest_checkpoint
from dismo_core.training.loop import Schedule
from dismo_core.training.share import Share
from dismo_core.video import read_image
from dismo_core.weights.files import sha256
from dismo_core.weights.verify import verify

SIZE = 32  # px
READINGS = {"stage1": Reading(1, apart=5), "stage2": Reading(3, stride=2)}


def small_networks():
    sizes = dict(
        channels=(32, 32, 32, 32), cross_attention_dim=CONFIG["cross_attention_dim"], layers=1, groups=8, heads=4
    )
    return Networks(
        mimo.ReferenceUNet(**sizes), mimo.DenoisingUNet(**sizes), mimo.PoseGuider(32, channels=(4, 8, 12, 16))
    )


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """A folder with two good templates."""
    folder = tmp_path_factory.mktemp("templates")
    for seed, name in enumerate(("a", "b")):
        scene = draw_scene(40 + seed, frames=12, size=(64, 48))
        mimo.Template(sdc=scene.sdc, vid=scene.vid, bk=scene.bk, mask=scene.mask).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def encoders():
    torch.manual_seed(0)
    return Encoders(make_vae(), make_image_encoder(), SIZE)


@pytest.fixture(scope="module")
def files(templates, encoders, tmp_path_factory):
    """Encoded templates of each stage."""
    folder = tmp_path_factory.mktemp("latents")
    paths = find_templates([templates])
    return {stage: encode_templates(paths, encoders, reading, folder) for stage, reading in READINGS.items()}


def a_run(stage, files, folder, steps=3, **schedule):
    schedule = Schedule(steps, 1e-3, warmup=1, average=None, log_every=1, **{"save_every": 1} | schedule)
    recipe = replace(RECIPES[stage], reading=READINGS[stage], size=SIZE, batch=2, schedule=schedule)
    return StageRun(stage, recipe, folder, files[stage])


def trained(run, seed=3):
    torch.manual_seed(seed)
    return train_stage(small_networks(), run)


def test_the_published_numbers():
    one, two = RECIPES["stage1"], RECIPES["stage2"]
    assert (one.reading, one.size, one.batch, one.schedule.steps, one.checkpointing) == (STAGE1, 768, 4, 30000, False)
    assert (two.reading, two.size, two.batch, two.schedule.steps, two.checkpointing) == (STAGE2, 512, 1, 10000, True)
    assert (STAGE1.apart, STAGE2.frames, STAGE2.stride) == (30, 24, 4)
    assert one.schedule.lr == two.schedule.lr == 1e-5 and one.schedule.clip == 1


def test_trained_weights_of_the_full_size():
    with torch.device("meta"):
        networks = Networks(mimo.ReferenceUNet(), mimo.DenoisingUNet(), mimo.PoseGuider())
    networks.train_stage("stage1")
    counts = [
        sum(w.numel() for w in part.parameters() if w.requires_grad)
        for part in (networks.denoising_unet, networks.reference_unet, networks.pose_guider)
    ]
    assert counts == [859_532_484, 840_698_240, 1_086_480]
    networks.train_stage("stage2")
    left = [w.numel() for w in networks.parameters() if w.requires_grad]
    assert (len(left), sum(left)) == (546, 453_209_280)
    with pytest.raises(DisMoError, match="no stage 'stage3'"):
        networks.train_stage("stage3")


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_only_the_weights_of_the_stage_change_and_a_stopped_run_goes_on_to_the_bit(stage, files, tmp_path):
    torch.manual_seed(3)
    before = {name: x.clone() for name, x in small_networks().state_dict().items()}
    whole = trained(a_run(stage, files, tmp_path / "whole")).state_dict()
    changed = {name for name, x in whole.items() if not torch.equal(x, before[name])}
    motion = {name for name in before if ".motion_modules." in name}
    if stage == "stage2":
        assert changed and changed <= motion
    else:
        assert not changed & motion and not any(name.startswith("reference_unet.up_blocks.3.") for name in changed)
        for part in ("denoising_unet.conv_in", "reference_unet.up_blocks.2", "pose_guider.conv_out"):
            assert any(name.startswith(part) for name in changed), part

    def stop(done, total, row):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(replace(a_run(stage, files, tmp_path / "stopped"), progress=stop))
    resumed = trained(a_run(stage, files, tmp_path / "stopped")).state_dict()
    assert all(torch.equal(x, whole[name]) for name, x in resumed.items())
    other = replace(a_run(stage, files, tmp_path / "stopped"), seed=1)
    with pytest.raises(DisMoError, match="seed was 0 and is now 1"):
        trained(other)


def test_a_lora_trains_only_its_pairs_and_acts_when_loaded(templates, files, encoders, tmp_path):
    recipe = replace(
        RECIPES["lora"],
        reading=READINGS["stage1"],
        size=SIZE,
        batch=2,
        schedule=Schedule(2, 1e-2, warmup=1, average=None),
    )
    run = StageRun("lora", replace(recipe, rank=3), tmp_path / "run", files["stage1"])
    torch.manual_seed(3)
    start = small_networks()
    torch.manual_seed(3)
    networks = train_stage(small_networks(), run)
    state = networks.state_dict()
    assert all(torch.equal(state[name], x) for name, x in start.state_dict().items())
    trained_now = [name for name, x in networks.named_parameters() if x.requires_grad]
    assert trained_now and all(".low_rank_updates." in name and ".motion_modules." not in name for name in trained_now)
    save_lora(networks, tmp_path / "lora.safetensors")
    export_whole(start, encoders, tmp_path / "weights")
    picture = np.full((40, 30, 3), 90, np.uint8)

    def made(**options):
        pipe = mimo.load_mimo(tmp_path / "weights", **options)
        template = mimo.Template.load(templates / "a")
        return mimo.animate(pipe, picture, template, width=32, height=32, steps=1, max_frames=2)

    plain = made()
    assert not np.array_equal(plain, made(lora=tmp_path / "lora.safetensors"))
    save_file(
        {name: x * 0 for name, x in load_file(tmp_path / "lora.safetensors").items()}, tmp_path / "zero.safetensors"
    )
    with pytest.raises(DisMoError, match="changes nothing"):
        made(lora=tmp_path / "zero.safetensors")
    save_file({"transformer.x.lora_A.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(DisMoError, match="another model"):
        made(lora=tmp_path / "other.safetensors")
    with pytest.raises(DisMoError, match="rank of a LoRA must be"):
        add_lora(small_networks(), 0)


def numbers(latents, frames):
    """Which frames of a file these latents [4, F, h, w] are."""
    distance = (latents.transpose(0, 1)[:, None] - frames.float()[None]).flatten(2).norm(dim=2)
    assert distance.amin(1).max() == 0
    return distance.argmin(1).tolist()


def test_references_keep_their_distance_and_clips_their_stride(files):
    for stage, reading in READINGS.items():
        batches = TemplateBatches(files[stage], reading, Share(3))
        contents = [load_file(file) for file in files[stage]]
        for seed in range(12):
            batch = batches(Draws(seed))
            for row in range(3):
                latents, reference = batch["latents"][row], batch["reference_latent"][row]
                where = [
                    n
                    for n, x in enumerate(contents)
                    if any(torch.equal(latents[:, 0], y) for y in x["targets"].float())
                ]
                content = contents[where[0]]
                shown = numbers(latents, content["targets"])
                assert shown == [shown[0] + reading.stride * k for k in range(reading.frames)]
                assert numbers(batch["background"][row], content["backgrounds"]) == shown
                assert torch.equal(batch["poses"][row], content["bodies"][shown].transpose(0, 1).float() / 255)
                far = numbers(reference[:, None], content["references"])[0]
                assert abs(far - shown[0]) >= reading.apart
                assert torch.equal(batch["context"][row], content["contexts"][far].float())


def test_encoded_templates_are_kept_until_something_changes(templates, encoders, tmp_path):
    paths = find_templates([templates / "a"])
    first = encode_templates(paths, encoders, READINGS["stage1"], tmp_path)
    time = first[0].stat().st_mtime_ns
    assert encode_templates(paths, encoders, READINGS["stage1"], tmp_path) == first
    assert first[0].stat().st_mtime_ns == time
    other = Encoders(make_vae(), make_image_encoder(), 24)
    assert encode_templates(paths, other, READINGS["stage1"], tmp_path) != first


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_sample_sheet_is_drawn_at_every_checkpoint(stage, templates, files, encoders, tmp_path):
    example = template_example(templates / "a", READINGS[stage])
    shown = READINGS[stage].frames
    assert len(example.targets) == len(example.bodies) == len(example.backgrounds) == shown and example.fronts is None
    plain = trained(a_run(stage, files, tmp_path / "plain", steps=2)).state_dict()
    run = replace(a_run(stage, files, tmp_path / "run", steps=2), sheet=SampleSheet(encoders, [example]))
    state = trained(run).state_dict()
    assert all(torch.equal(x, plain[name]) for name, x in state.items()), "drawing changes nothing"
    sheet = read_image(tmp_path / "run" / "samples.png")
    assert sheet.shape == (2 * SIZE, (1 + shown) * SIZE, 3)
    wanted = Image.fromarray(example.targets[0]).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    assert torch.allclose(sheet[:SIZE, SIZE : 2 * SIZE], torch.from_numpy(np.array(wanted)) / 255)
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all("sample_psnr" in row for row in rows[-2:])


def test_products_of_16_bits_have_a_scaled_loss(files, tmp_path):
    trained(replace(a_run("stage1", files, tmp_path, steps=1), autocast=torch.float16))
    assert latest_checkpoint(tmp_path)["scaler"]["scale"] > 1


def test_the_loss_falls(files, tmp_path):
    """On batches that were not trained on."""
    batches = TemplateBatches(files["stage1"], READINGS["stage1"], Share(8))

    def loss(networks):
        unseen = StageObjective(networks, batches, Share(8), 10_000, snr_gamma=None)
        with torch.no_grad():
            return float(np.mean([float(unseen(number)["loss"]) for number in range(3)]))

    torch.manual_seed(3)
    before = loss(small_networks())
    networks = trained(a_run("stage1", files, tmp_path, steps=30, save_every=30))
    assert loss(networks) < 0.6 * before


def saved(folder, name, **changes):
    scene = draw_scene(3, frames=8, size=(64, 48))
    parts = dict(sdc=scene.sdc, vid=scene.vid, bk=scene.bk, mask=scene.mask) | changes
    mimo.Template(**parts).save(folder / name)
    return folder / name


def test_bad_templates_are_named_with_the_reason(templates, tmp_path, capsys):
    reading = READINGS["stage1"]
    black = np.zeros((8, 48, 64), np.uint8)
    bad = {
        saved(tmp_path, "no_scene", bk=None): "lacks bk.mp4",
        saved(tmp_path, "no_person", mask=black): "the mask is black",
        saved(tmp_path, "no_body", sdc=np.zeros((8, 48, 64, 3), np.uint8)): "shows no body",
        saved(tmp_path, "inverted", mask=black + 255): "is it inverted",
    }
    (tmp_path / "damaged").mkdir()
    for name in ("vid", "sdc", "bk", "mask"):
        (tmp_path / "damaged" / f"{name}.mp4").write_bytes(b"no video")
    for path, why in bad.items():
        assert why in "; ".join(problems(path, reading))
    assert problems(tmp_path / "damaged", reading)
    assert problems(templates / "a", reading) == []
    assert problems(templates / "a", STAGE1) == ["has 12 frames, and 31 are needed for a reference 30 frames away"]
    assert problems(templates / "a", STAGE2) == ["has 12 frames, and 93 are needed for 24 frames, every 4"]
    with pytest.raises(DisMoError, match=r"(?s)1 of 2 templates.*no_scene: lacks bk.mp4"):
        usable([templates / "a", tmp_path / "no_scene"], reading)
    command = ["mimo", "train", "check", str(templates), str(tmp_path), "--apart", "5"]
    assert main(command) == 2
    said = capsys.readouterr()
    assert "2 of 7 templates can be trained on." in said.out
    assert f"{templates / 'a'}: good" in said.out and "no_scene: lacks bk.mp4" in said.out


def test_templates_from_folders_lists_and_patterns(templates, tmp_path):
    both = [templates / "a", templates / "b"]
    assert find_templates([templates]) == find_templates([templates / "*"]) == find_templates(both) == both
    (tmp_path / "list.txt").write_text(f"# mine\n{templates / 'b'}\n\n")
    assert find_templates([tmp_path / "list.txt", templates]) == both[::-1]
    with pytest.raises(DisMoError, match="no template in 'nowhere'"):
        find_templates(["nowhere"])


def stable_diffusion(base):
    """What a training begins with: a small UNet, VAE and image encoder in a folder."""
    start = small_networks().denoising_unet
    unet = {n: x.clone() for n, x in start.state_dict().items() if ".motion_modules." not in n}
    unet["conv_in.weight"] = unet["conv_in.weight"][:, :4].clone()
    place = base / "stable-diffusion-v1-5" / "unet"
    place.mkdir(parents=True)
    save_file(unet, place / "diffusion_pytorch_model.safetensors")
    (place / "config.json").write_text('{"attention_head_dim": 4, "norm_num_groups": 8}')
    make_vae().save_pretrained(base / "sd-vae-ft-mse")
    make_image_encoder().save_pretrained(base / "image_encoder")
    return base


def test_both_stages_from_stable_diffusion_to_a_model_that_loads(templates, tmp_path):
    base = stable_diffusion(tmp_path / "base")
    unet = base / "stable-diffusion-v1-5" / "unet" / "diffusion_pytorch_model.safetensors"
    original = sha256(unet)
    options = ["--data", str(templates), "--size", str(SIZE), "--batch", "2", "--steps", "1", "--frames"]
    options_one, options_two = [*options, "1", "--apart", "5"], [*options, "3", "--stride", "2"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["mimo", "train", "stage1", "--weights", str(base), "--out", str(one), *options_one]) == 0
    weights = ["--weights", str(one / "mimo.yaml"), "--out", str(two)]
    assert main(["mimo", "train", "stage2", *weights, *options_two]) == 0
    assert sha256(unet) == original
    first, second = (load_file(folder / "denoising_unet.safetensors") for folder in (one, two))
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert changed and all(".motion_modules." in name for name in changed)
    pipe = mimo.load_mimo(two / "mimo.yaml")
    assert (pipe.denoising_unet.heads, pipe.denoising_unet.groups) == (4, 8)
    picture = np.full((40, 30, 3), 90, np.uint8)
    assert mimo.animate(pipe, picture, mimo.Template.load(templates / "a"), width=32, height=32, steps=1).any()


def test_two_processes_train_as_one_with_the_same_batch(templates, tmp_path):
    torch.manual_seed(3)
    base = stable_diffusion(tmp_path / "base")
    # With this seed both rows of the second process learn without the reference at step 1, and all others with it.
    seed = 134
    words = ["mimo", "train", "stage1", "--data", str(templates), "--weights", str(base), "--device", "cpu"]
    words += ["--size", str(SIZE), "--batch", "4", "--apart", "5", "--seed", str(seed)]
    words += ["--steps", "2", "--lr", "1e-3", "--lr-warmup", "1", "--log-every", "1", "--out"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*words, str(one)]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "-m", "dismo_core", *words, str(two)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for name in ("denoising_unet", "reference_unet", "pose_guider"):
        wanted, found = (load_file(folder / f"{name}.safetensors") for folder in (one, two))
        assert found.keys() == wanted.keys()
        for weight, value in found.items():
            # Attention to a single embedding has no gradient; of its rounding AdamW makes steps of any size. So it does of the
            # few other numbers whose gradient happens to be next to none, on some machines.
            if ".attn2.to_q" not in weight and ".attn2.to_k" not in weight:
                assert ((value - wanted[weight]).abs() > 1e-5).sum() <= 4, (name, weight)
    losses = [[json.loads(row)["loss"] for row in (run / "log.jsonl").read_text().splitlines()] for run in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_networks_that_are_told_what_stands_in_front(encoders, tmp_path):
    scene = draw_scene(44, frames=12, size=(64, 48))
    template = mimo.Template(sdc=scene.sdc, vid=scene.vid, bk=scene.bk, mask=scene.mask, occ=scene.occ)
    template.save(tmp_path / "t")
    reading = READINGS["stage1"]
    plain = encode_templates([tmp_path / "t"], encoders, reading, tmp_path / "latents")
    told = encode_templates([tmp_path / "t"], encoders, reading, tmp_path / "latents", occlusions=True)
    assert plain != told
    eight, twelve = (TemplateBatches(files, reading, Share(2))(Draws(0))["background"] for files in (plain, told))
    assert twelve.shape[1] == 8 and torch.equal(twelve[:, :4], eight) and not torch.equal(twelve[:, 4:], eight)

    # weights of 8 channels are widened by zeros, trained, written, and load again
    networks = small_networks()
    export_whole(networks, encoders, tmp_path / "weights")
    layout = find_layout(tmp_path / "weights")
    wide = Networks(*load_networks(layout, torch.float32, WITH_OCCLUSION))
    first = wide.denoising_unet.conv_in.weight.detach().clone()
    assert first.shape[1] == 12 and not first[:, 8:].any() and first[:, :8].any()
    wide.requires_grad_(True)
    train_stage(wide, a_run("stage1", {"stage1": told}, tmp_path / "run", steps=1))
    assert wide.denoising_unet.conv_in.weight[:, 8:].any()
    export_whole(wide, encoders, tmp_path / "wide")
    assert "for occlusions" in verify(tmp_path / "wide" / "denoising_unet.safetensors")
    pipe = mimo.load_mimo(tmp_path / "wide")
    assert pipe.takes_occlusions
    picture = np.full((40, 30, 3), 90, np.uint8)
    made = mimo.edit(pipe, picture, template, width=32, height=32, steps=1, max_frames=2)
    assert made.shape == (2, 48, 64, 3)


def test_the_tiny_model_is_trained_written_bundled_and_loads(tmp_path, capsys, monkeypatch):
    assert main(["mimo", "train", "tiny", "--out", str(tmp_path), "--steps", "1"]) == 0
    assert "Wrote" in capsys.readouterr().out
    weights = [file for file in tmp_path.rglob("*.safetensors")]
    assert sum(file.stat().st_size for file in weights) < 16e6
    pipe = mimo.load_mimo(tmp_path)
    assert pipe.size == (64, 64), "its own size, not that of the released weights"
    template = mimo.Template(sdc=draw_scene(1, frames=2, size=(64, 48)).sdc)
    picture = np.full((40, 30, 3), 90, np.uint8)
    assert mimo.animate(pipe, picture, template, width=64, height=64, steps=1).shape == (2, 64, 64, 3)
    assert main(["mimo", "train", "tiny", "--out", str(tmp_path), "--steps", "0"]) == 2

    # what a run has so far becomes the files that ship
    from dismo_core.mimo import weights
    from dismo_core.mimo.training.export import bundle

    bundled = tmp_path / "assets"
    shutil.rmtree(tmp_path / "stage2")
    with pytest.raises(DisMoError, match="no checkpoint in"):
        bundle(tmp_path / "nowhere", bundled)
    bundle(tmp_path, bundled)
    monkeypatch.setattr(weights, "TINY", bundled)
    files = weights.tiny_files()
    assert len(files) == 5 and all(path.is_file() for path in files.values())
    assert "of another size" in verify(files["mimo_tiny_denoising_unet"])
    tiny = mimo.load_mimo("tiny")
    assert (tiny.steps, tiny.guidance, tiny.size, tiny.denoising_unet.heads) == (20, 2.0, (64, 64), 4)
    files["mimo_tiny_pose_guider"].write_bytes(b"damaged")
    with pytest.raises(DisMoError, match="damaged"):
        mimo.load_mimo("tiny")
    monkeypatch.setattr(weights, "TINY", tmp_path / "nowhere")
    assert weights.tiny_files() == {}
    with pytest.raises(DisMoError, match="not bundled with this version"):
        mimo.load_mimo("tiny")


def test_a_stopped_tiny_run_goes_on_to_the_bit(tmp_path):
    recipe = TinyRecipe(1, 1, 1, figures=1, batch=2, frames=3)
    whole, _ = train_tiny(tmp_path / "whole", recipe)

    def stop(stage, done, total, row):
        if stage == "stage2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path / "stopped", recipe, stop)
    resumed, _ = train_tiny(tmp_path / "stopped", recipe)
    state = whole.state_dict()
    assert all(torch.equal(x, state[name]) for name, x in resumed.state_dict().items())


def test_several_processes_do_not_train_the_tiny_model_into_one_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["mimo", "train", "tiny", "--out", str(tmp_path / "run")]) == 2
    assert "without torchrun" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
