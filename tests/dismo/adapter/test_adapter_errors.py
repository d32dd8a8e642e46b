"""What the adapter refuses, each with the value and what is valid (docs/methods/dismo.md, 8)."""

import pytest
import torch
from safetensors.torch import save_file

import dismo_core as dismo
from dismo_core.cogvideox.checks import require_steps, valid_lengths

NAN = float("nan")
IMAGE = torch.zeros(1, 64, 96, 3)
VIDEO = torch.zeros(1, 9, 64, 96, 3)
EMBEDDINGS = torch.zeros(1, 5, 8)
OK = dict(motion_videos=VIDEO - 0.1, images=IMAGE - 0.1, prompts=["a fox."], num_frames=9, n_steps=1)


def motions(x):
    return dict(motion_videos=None, motions=x)


def foreign():
    return dismo.Motion(torch.zeros(5, 8), 8.0, "dog.mp4", "0123456789abcdef")


SAMPLE = {
    "video rank": (dict(motion_videos=VIDEO[None]), r"motion video has shape \[1, 1, 9, 64, 96, 3\].*frames, height"),
    "video channels": (dict(motion_videos=torch.zeros(1, 9, 64, 96, 4)), r"\[1, 9, 64, 96, 4\]"),
    "video range": (dict(motion_videos=VIDEO + 200), "200.*-1..1"),
    "video NaN": (dict(motion_videos=VIDEO + NAN), "motion video holds NaN"),
    "video dtype": (dict(motion_videos=VIDEO.to(torch.uint8)), "uint8"),
    "video too small": (dict(motion_videos=VIDEO[:, :, :10]), "at least 14 px"),
    "video too short": (dict(motion_videos=VIDEO[:, :4]), "has 4 frames.*at least 5"),
    "length": (dict(num_frames=24), "24 frames cannot.*9, 17, 25, 33, 41, 49. Nearest: 17 and 25"),
    "length of few": (dict(num_frames=5), "5 frames cannot.*Nearest: 9 and 17"),
    "length of many": (dict(num_frames=57), "57 frames cannot.*Nearest: 41 and 49"),
    "motion video of another length": (dict(num_frames=25), "motion has 9 frames, but 25.*num_frames"),
    "motion of a length without video": (motions(torch.zeros(1, 17, 8)), "21 frames cannot"),
    "embeddings count": (motions(torch.zeros(1, 21, 8)), "motion has 25 frames, but 9"),
    "embeddings width": (motions(torch.zeros(1, 5, 128)), r"shape \[5, 128\]; expected \[frames - 4, 8\]"),
    "embeddings dtype": (motions(EMBEDDINGS.half()), "float16; expected float32"),
    "embeddings NaN": (motions(EMBEDDINGS + NAN), "embeddings hold NaN"),
    "motion of another extractor": (motions([foreign()]), "extractor 0123456789abcdef"),
    "motions of two lengths": (motions([torch.zeros(5, 8), torch.zeros(13, 8)]), r"\[9, 17\] frames"),
    "no motion": (dict(motion_videos=None), "exactly one of motion_videos and motions, not none"),
    "both motions": (dict(motions=EMBEDDINGS), "not both"),
    "no image": (dict(images=None), "no picture"),
    "image rank": (dict(images=torch.zeros(1, 1, 64, 96, 3)), r"\[1, 1, 64, 96, 3\]"),
    "image range": (dict(images=IMAGE + 2), "2 to 2"),
    "image NaN": (dict(images=IMAGE + NAN), "images holds NaN"),
    "counts": (dict(prompts=["a", "b"]), "1 motions, 1 images, 2 prompts"),
    "generators": (dict(generator=[torch.Generator()] * 3), "3 generators, 1 samples"),
    "steps": (dict(n_steps=0), "1 to 1000, not 0"),
    "positions": (dict(positions="learned"), "'learned'.*auto, sincos, stored"),
}


@pytest.mark.parametrize("name", SAMPLE)
def test_sampling_refuses(shared_adapter, name):
    change, message = SAMPLE[name]
    with pytest.raises(dismo.DisMoError, match=message):
        shared_adapter.sample(**OK | change)


TRAINING = {
    "size": (dict(videos=torch.zeros(1, 9, 48, 96, 3)), "96x48 px; this base works at 96x64"),
    "length": (dict(videos=torch.zeros(1, 13, 64, 96, 3)), "13 frames cannot"),
    "range": (dict(videos=VIDEO + 3), "3 to 3"),
    "counts": (dict(videos=VIDEO, prompts=["a", "b"]), "1 videos, 2 prompts"),
}


@pytest.mark.parametrize("name", TRAINING)
def test_training_refuses(shared_adapter, name):
    arguments, message = TRAINING[name]
    with pytest.raises(dismo.DisMoError, match=message):
        shared_adapter.training_loss(**arguments)


@pytest.mark.parametrize(
    ("steps", "nearest"), [(60, "50 or 100"), (3, "2 or 4"), (999, "500 or 1000"), (33, "25 or 40")]
)
def test_steps_that_do_not_divide_a_thousand(steps, nearest, caplog):
    require_steps(steps)
    assert nearest in caplog.text
    with pytest.raises(dismo.DisMoError, match=f"{steps} steps.*{nearest}"):
        require_steps(steps, strict=True)


def test_other_lengths_than_the_trained_one_are_warned_of(shared_adapter, caplog):
    assert valid_lengths(49) == [9, 17, 25, 33, 41, 49]
    with torch.no_grad():
        shared_adapter.encode_motion(motions=torch.zeros(1, 13, 8))
        assert not caplog.text
        shared_adapter.sample(**OK)
    assert [message for message in caplog.messages if "trained" in message] == [
        "The adapter was trained at 25 frames only; 9 is an experiment."
    ]


CONFIGS = {
    "text to video": (dict(in_channels=4), "text-to-video.*CogVideoX-5b-I2V"),
    "version 1.5 by patches": (dict(patch_size_t=2), "CogVideoX 1.5.*patch_size_t = 2"),
    "version 1.5 by offsets": (dict(ofs_embed_dim=32), "CogVideoX 1.5.*ofs_embed_dim = 32"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_another_kind_of_base_is_refused(make_base, make_extractor, name):
    change, message = CONFIGS[name]
    base = make_base()
    base.transformer.register_to_config(**change)
    with pytest.raises(dismo.DisMoError, match=message):
        dismo.CogVideoXMotionAdapter(base, make_extractor(), d_cond=16)


WEIGHTS = {
    "missing": (lambda w: {k: v for k, v in w.items() if k != "gru.bias_ih"}, "1 missing: gru.bias_ih"),
    "unknown": (lambda w: w | {"gru.bias": torch.zeros(1)}, "1 unknown: gru.bias"),
    "shape": (lambda w: w | {"init_gru_state": torch.zeros(9)}, r"init_gru_state \[9\] instead of \[16\]"),
    "dtype": (lambda w: w | {"init_gru_state": torch.zeros(16).half()}, "init_gru_state torch.float16.*float32"),
    "half an extractor": (
        lambda w: {k: v for k, v in w.items() if k != "motion_extractor.query_tokens"},
        "1 missing: motion_extractor.query_tokens",
    ),
    "another base": (
        lambda w: {k: v.repeat(1, 2) if "to_q.lora_A" in k else v for k, v in w.items()},
        r"LoRA does not fit the layers of the base .*\[128, 64\] instead of \[128, 32\].*CogVideoX-5b-I2V",
    ),
    "a wrapped dict": (lambda w: {"state_dict": w}, "flat mapping.*state_dict"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_do_not_fit_are_listed(shared_adapter, adapter_weights, name):
    change, message = WEIGHTS[name]
    with pytest.raises(dismo.DisMoError, match=message):
        shared_adapter.load_adapter(change(adapter_weights))


class Opens:
    """A pickle of it would run code."""

    def __reduce__(self):
        return open, ("never", "w")


def test_files_that_are_no_plain_weights(shared_adapter, adapter_weights, tmp_path):
    torch.save({"gru.bias_ih": Opens()}, tmp_path / "hostile.pt")
    torch.save({"state_dict": adapter_weights}, tmp_path / "wrapped.pt")
    torch.save(adapter_weights, tmp_path / "cogvideox5b_i2v_large.pt")
    whole = tmp_path / "whole.safetensors"
    save_file(adapter_weights, whole)
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:-1000])
    (tmp_path / "twice").mkdir()
    (tmp_path / "empty").mkdir()
    for name in ("a", "b"):
        save_file({"init_gru_state": torch.zeros(16)}, tmp_path / "twice" / f"{name}.safetensors")
    for name, message in {
        "hostile.pt": "run code",
        "wrapped.pt": "flat mapping",
        "cut.safetensors": "not a whole safetensors",
        "none.pt": "no weight file",
        "cogvideox5b_i2v_large.pt": "is not the released file: it has .* bytes, not 3,156,582,265.*another name",
        "twice": "repeats 1 tensors.*init_gru_state",
        "empty": "holds no .safetensors",
    }.items():
        with pytest.raises(dismo.DisMoError, match=message):
            shared_adapter.load_adapter(tmp_path / name)
    assert not (tmp_path / "never").exists()


def test_an_adapter_without_weights_says_so(make_base, make_extractor):
    adapter = dismo.CogVideoXMotionAdapter.empty(make_base(), make_extractor(), torch.float32, d_cond=16)
    with pytest.raises(dismo.DisMoError, match="no weights yet"):
        adapter.sample(**OK)


def test_a_failed_load_leaves_the_adapter_as_it_was(make_adapter, adapter_weights):
    adapter = make_adapter()
    before = adapter.extractor_id
    with pytest.raises(dismo.DisMoError):
        adapter.load_adapter({k: v + 1 for k, v in adapter_weights.items() if k != "gru.bias_ih"})
    assert adapter.extractor_id == before
    assert torch.equal(adapter.gru.weight_ih, adapter_weights["gru.weight_ih"])


@pytest.mark.parametrize(("part", "stage"), [("transformer", "denoising"), ("vae", "decoding")])
def test_nan_names_the_stage(make_adapter, part, stage):
    adapter = make_adapter()
    broken = {"transformer": adapter.base.transformer.proj_out, "vae": adapter.base.vae.decoder.conv_out.conv}[part]
    broken.bias.fill_(NAN)
    with pytest.raises(dismo.DisMoError, match=f"after {stage}.*bfloat16"):
        adapter.sample(**OK)
    assert all(lora.gain is None for lora in adapter.motion_loras)


def test_out_of_memory_and_interrupt_pass_through(make_adapter):
    adapter = make_adapter()
    for error in (torch.OutOfMemoryError, KeyboardInterrupt):

        def fail(*_, error=error):
            raise error

        hook = adapter.base.transformer.register_forward_pre_hook(fail)
        with pytest.raises(error):
            adapter.sample(**OK)
        hook.remove()
