"""Numbers that lie: NaN and infinity name their stage, blank videos warn, and a seed gives the same bits after any fault."""

import pytest
import torch

import dismo_core as dismo
from dismo_core.video.picture import fit_image
from dismo_core.video.quality import quality_warning

NAN, INFINITY = float("nan"), float("inf")
MEMORY = ["full", "model offload", "group offload", "sequential", "disk"]


@pytest.fixture
def cogvideox(toy_model):
    """The toy model, its motion of nine frames, and a picture of its size."""
    model = toy_model()
    motion = dismo.Motion(torch.sin(torch.arange(5 * 32.0)).view(5, 32), 8.0, "drawn", model.extractor_id)
    return model, motion, torch.rand(*model.defaults.size, 3, generator=torch.Generator().manual_seed(0))


def run(model, motion, picture, **changes):
    arguments = dict(prompt="a red fox turns.", steps=2, seed=3, runtime=dismo.Runtime.cpu())
    return model.transfer(motion, picture, **arguments | changes)


def spoil(module, value):
    """Let a module give a bad number whatever it is given."""

    def hook(_, __, output):
        first = output if isinstance(output, torch.Tensor) else output[0]
        first.data[(0,) * first.ndim] = value

    module.register_forward_hook(hook)


COGVIDEOX = {
    "encoding the text": lambda a: a.base.text_encoder.encoder.final_layer_norm,
    "encoding the motion": lambda a: a.mapping,
    "encoding the picture": lambda a: a.base.vae.encoder,
    "denoising": lambda a: a.base.transformer.proj_out,
    "decoding": lambda a: a.base.vae.decoder.conv_out,
}
GENERATOR = {
    "encoding the picture": lambda g: g.source_encoder,
    "encoding the motion": lambda g: g.motion_proj,
    "generation": lambda g: g.token_split,
}


@pytest.mark.parametrize("value", [NAN, INFINITY])
@pytest.mark.parametrize("stage", COGVIDEOX)
def test_cogvideox_names_the_stage(cogvideox, stage, value):
    model, motion, picture = cogvideox
    spoil(COGVIDEOX[stage](model.adapter), value)
    with pytest.raises(dismo.DisMoError, match=f"NaN or infinite values after {stage}"):
        run(model, motion, picture)


BEYOND_USE = [
    ({"prompt": "a \ud800"}, "half a character"),
    ({"negative_prompt": "\udfff"}, "half a character"),
    ({"guidance": NAN}, "guidance of nan"),
    ({"guidance": INFINITY}, "guidance of inf"),
    ({"steps": 2**70}, "1 to 1000"),
    ({"strength": NAN}, "strength of nan"),
    ({"strength": 1e308}, "strength of 1e"),
]


def test_settings_beyond_use_are_named(cogvideox):
    model, motion, picture = cogvideox
    for settings, message in BEYOND_USE:
        with pytest.raises(dismo.DisMoError, match=message):
            run(model, motion, picture, **settings)
    assert len(run(model, motion, picture, seed=2**70)) == motion.frames


@pytest.fixture
def generator():
    """The tiny frame generator with its own weights, a motion, a picture."""
    loaded = dismo.load_frame_generator("tiny")
    motion = dismo.Motion(torch.zeros(5, 32), 8.0, "drawn", loaded.extractor_id)
    return dismo.FrameGeneratorModel(loaded), motion, torch.rand(*loaded.size, 3)


@pytest.mark.parametrize("value", [NAN, INFINITY])
@pytest.mark.parametrize("stage", GENERATOR)
def test_the_frame_generator_names_the_stage(generator, stage, value):
    model, motion, picture = generator
    spoil(GENERATOR[stage](model.generator), value)
    with pytest.raises(dismo.DisMoError, match=f"NaN or infinite values after {stage}"):
        run(model, motion, picture)


def test_infinity_of_the_autoencoder_is_not_clamped_to_white(generator, monkeypatch):
    model, motion, picture = generator
    decode = model.generator.decode
    monkeypatch.setattr(model.generator, "decode", lambda latents: decode(latents) * INFINITY)
    with pytest.raises(dismo.DisMoError, match="NaN or infinite values after decoding"):
        run(model, motion, picture)


@pytest.mark.parametrize("value", [NAN, INFINITY])
def test_extraction_names_itself(value):
    extractor = dismo.load_motion_extractor("tiny")
    spoil(extractor.frame_encoder, value)
    with pytest.raises(dismo.DisMoError, match="Motion embeddings hold NaN or infinite"):
        dismo.extract_motion(extractor, torch.rand(9, 32, 32, 3), fps=8)


PICTURE = torch.rand(6, 8, 3, generator=torch.Generator().manual_seed(0))
MOVING = (torch.rand(5, 6, 8, 3, generator=torch.Generator().manual_seed(1)) * 255).byte()


@pytest.mark.parametrize(
    ("frames", "settings", "message"),
    [
        (MOVING, {}, None),
        (MOVING * 0, {}, "5 of the 5 frames are black"),
        (torch.cat((MOVING, MOVING[:2] * 0)), {}, "2 of the 7 frames are black"),
        (MOVING * 0 + 127, {}, "5 of the 5 frames are of one color"),
        (MOVING[:1].expand(5, -1, -1, -1), {}, "All 5 frames are the same"),
        (MOVING[:1].expand(5, -1, -1, -1), {"strength": 0.0}, None),
        (MOVING[:1], {}, None),
        (MOVING // 255 + torch.arange(5, dtype=torch.uint8)[:, None, None, None], {"picture": PICTURE * 0}, None),
    ],
    ids=["moving", "black", "black end", "grey", "still", "still asked for", "one frame", "black picture"],
)
def test_a_blank_or_constant_video_is_doubted(frames, settings, message):
    found = quality_warning(frames, **{"picture": PICTURE} | settings)
    assert found is None if message is None else message in found


def test_the_command_line_warns_of_a_blank_video(generator, tmp_path, monkeypatch, caplog):
    from PIL import Image

    from dismo_core.cli.main import main

    model, motion, picture = generator
    motion.save(tmp_path / "m.safetensors")
    Image.fromarray((picture * 255).byte().numpy()).save(tmp_path / "p.png")
    black = torch.zeros(9, *model.defaults.size, 3, dtype=torch.uint8)
    monkeypatch.setattr(dismo.FrameGeneratorModel, "transfer", lambda *_, **__: black)
    out = tmp_path / "o.mp4"
    files = ["--motion", tmp_path / "m.safetensors", "--image", tmp_path / "p.png", "--output", out]
    assert main(["transfer", "--model", "tiny", *map(str, files)]) == 0
    assert "9 of the 9 frames are black" in caplog.text and out.exists()


class Stop(BaseException):
    """As ComfyUI's interrupt: none of ours."""


@pytest.mark.parametrize("memory", MEMORY)
def test_the_seed_gives_the_same_bits_in_every_tier_and_after_every_fault(toy_model, cogvideox, memory):
    plain, motion, picture = cogvideox
    expected = run(plain, motion, picture)
    model = toy_model(memory)
    assert torch.equal(run(model, motion, picture), expected)
    for fault in (Stop, torch.OutOfMemoryError):

        def fail(*_, fault=fault):
            raise fault

        runtime = dismo.Runtime.cpu()
        runtime.progress = fail
        with pytest.raises(fault):
            run(model, motion, picture, runtime=runtime)
        assert model.adapter.plan.bytes_on_device() == 0
        assert torch.equal(run(model, motion, picture), expected)


def test_the_seed_gives_the_same_bits_for_the_frame_generator(generator):
    model, motion, _ = generator
    picture = fit_image(PICTURE, model.defaults.size, "crop")
    expected = run(model, motion, picture)
    runtime = dismo.Runtime.cpu()

    def stop(*_):
        raise Stop

    runtime.progress = stop
    with pytest.raises(Stop):
        run(model, motion, picture, runtime=runtime)
    assert torch.equal(run(model, motion, picture), expected)
    assert not torch.equal(run(model, motion, picture, seed=4), expected)
