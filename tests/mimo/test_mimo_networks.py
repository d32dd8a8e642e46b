"""Networks and loss against the published ones, and names and sizes of the full ones."""

import hashlib
import re
import threading

import filling
import numpy as np
import pytest
import torch
from mimo_goldens import CONFIG, draw, filled, golden
from mimo_toy import networks

from dismo_core import DisMoError, mimo
from dismo_core.mimo.models.unet import Pieces
from dismo_core.mimo.models.unet_attention import ReferenceTokens

TOLERANCE = 5e-5


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def assert_golden(found, name):
    assert np.abs(found.detach().numpy() - golden(name)).max() <= TOLERANCE, name


@pytest.fixture
def context():
    return draw("context", (1, 1, 24))


@pytest.fixture
def tokens(context):
    return networks()[0](draw("reference.latent", (1, 4, 9, 10)), context)


@pytest.fixture
def sample():
    return draw("denoise.sample", (1, 8, 3, 9, 10))


@pytest.fixture
def pose():
    return draw("denoise.pose", (1, 32, 3, 9, 10))


@pytest.mark.parametrize(
    ("make", "digest", "tensors", "parameters"),
    [
        (mimo.ReferenceUNet, "dec8e6c07e786bed", 682, 859_508_800),
        (mimo.DenoisingUNet, "f06730355a083472", 1274, 1_312_741_764),
        (mimo.PoseGuider, "1ada52a03671ce2c", 16, 1_086_480),
    ],
)
def test_full_size_names_and_shapes(make, digest, tensors, parameters):
    with torch.device("meta"):
        module = make()
    lines = sorted(f"{name} {'x'.join(map(str, tensor.shape))}" for name, tensor in module.state_dict().items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest
    assert len(lines) == tensors and sum(p.numel() for p in module.parameters()) == parameters


def test_pose_guider():
    assert_golden(networks()[2](torch.sigmoid(draw("pose.in", (1, 3, 3, 72, 80)))), "pose.out")


def test_reference_tokens(tokens):
    assert len(tokens) == 16
    for name, value in tokens.items():
        assert_golden(value, f"reference.tokens.{name}")


def test_denoising(context, tokens, sample, pose):
    unet = networks()[1]
    assert_golden(unet(sample, 640, context), "denoise.plain")
    assert_golden(unet(sample, torch.tensor([640]), context, pose=pose), "denoise.pose")
    assert_golden(unet(sample, 640, context, pose=pose, reference=tokens), "denoise.reference")
    assert_golden(unet(draw("denoise.one", (1, 8, 1, 9, 10)), 999, context), "denoise.frame1")
    long = unet(draw("denoise.long", (1, 8, 32, 9, 10)), 1, context)
    assert_golden(long[:, :, [0, 1, 15, 31]], "denoise.frames32")


@pytest.mark.parametrize("pieces", [None, Pieces(1, 7), Pieces(2, 1), Pieces(4, 1000)])
def test_guided_rows_and_pieces_of_any_size(context, tokens, sample, pose, pieces):
    rows = torch.cat((torch.zeros_like(context), context))
    both = (x.repeat(2, 1, 1, 1, 1) for x in (sample, pose))
    twice, poses = both
    found = networks()[1](
        twice, 640, rows, pose=poses, reference=tokens, reference_rows=torch.tensor([False, True]), pieces=pieces
    )
    assert_golden(found, "denoise.guided")


def test_the_unconditional_row_does_not_depend_on_the_reference(context, tokens, sample):
    unet = networks()[1]
    other = {name: value + 1 for name, value in tokens.items()}
    rows = torch.cat((torch.zeros_like(context), context))
    first, second = (
        unet(sample.repeat(2, 1, 1, 1, 1), 5, rows, reference=each, reference_rows=[False, True])
        for each in (tokens, other)
    )
    assert torch.equal(first[0], second[0]) and not torch.allclose(first[1], second[1], atol=1e-2)
    assert torch.allclose(first[:1], unet(sample, 5, rows[:1]), atol=1e-5)


def test_a_reference_for_each_row(context, tokens, sample):
    unet = networks()[1]
    other = {name: value + 1 for name, value in tokens.items()}
    pair = {name: torch.cat((tokens[name], other[name])) for name in tokens}
    both = unet(sample.repeat(2, 1, 1, 1, 1), 5, context.repeat(2, 1, 1), reference=pair)
    assert torch.allclose(both[:1], unet(sample, 5, context, reference=tokens), atol=1e-5)
    assert torch.allclose(both[1:], unet(sample, 5, context, reference=other), atol=1e-5)


def test_keys_of_the_reference_are_projected_once(context, tokens, sample, monkeypatch):
    unet, calls = networks()[1], []
    attention = unet.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn1")
    original = type(attention).keys
    monkeypatch.setattr(type(attention), "keys", lambda self, x: calls.append(self) or original(self, x))
    kept = ReferenceTokens(tokens)
    first = unet(sample, 5, context, reference=kept)
    once = calls.count(attention)
    assert torch.equal(first, unet(sample, 5, context, reference=kept))
    assert once == 2 and calls.count(attention) == 3  # the frames' own, the reference's; then the frames' own


def faint(make, prefix):
    """A network whose residual streams are small, so that each norm's epsilon shows."""
    module = filled(make(**CONFIG), prefix)
    small = re.compile(r"(conv_in|conv2|proj_out)\.(weight|bias)$|(conv_shortcut|samplers\.0\.conv)\.bias$")
    module.load_state_dict({n: v * 1e-3 if small.search(n) else v for n, v in module.state_dict().items()})
    return module


def test_small_residual_streams_show_each_epsilon(context, sample):
    assert_golden(faint(mimo.DenoisingUNet, "denoising.")(sample, 640, context), "denoise.faint")
    tokens = faint(mimo.ReferenceUNet, "reference.")(draw("reference.latent", (1, 4, 9, 10)), context)
    for place in ("down_blocks.0.attentions.0", "mid_block.attentions.0", "up_blocks.3.attentions.2"):
        assert_golden(tokens[f"{place}.transformer_blocks.0"], f"reference.faint.{place}")


def test_fresh_motion_modules_change_nothing():
    unet = mimo.DenoisingUNet(**CONFIG)
    module = unet.mid_block.motion_modules[0]
    x = draw("fresh", (6, 96, 3, 4))
    assert torch.equal(module(x, 3), x)
    table = module.temporal_transformer.transformer_blocks[0].attention_blocks[1].pos_encoder.pe
    assert table.shape == (1, 32, 96)
    assert table[0, 0].tolist() == [0.0, 1.0] * 48
    assert torch.allclose(table[0, 3, :2], torch.tensor([np.sin(3.0), np.cos(3.0)], dtype=torch.float32))


def test_more_frames_than_positions_are_refused(context):
    with pytest.raises(DisMoError, match="33 frames"):
        networks()[1](draw("long", (1, 8, 33, 8, 8)), 5, context)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"sample": torch.zeros(1, 4, 2, 8, 8)}, r"\[B, 8, F"), ({"pose": torch.zeros(1, 32, 3, 8, 8)}, "pose features")],
)
def test_inputs_that_do_not_fit(context, change, message):
    good = {"sample": torch.zeros(1, 8, 2, 8, 8), "timestep": 3, "context": context}
    with pytest.raises(DisMoError, match=message):
        networks()[1](**good | change)


def test_two_computations_at_once(context, tokens, sample):
    unet, results = networks()[1], {}
    other = {name: value + 1 for name, value in tokens.items()}
    wanted = [unet(sample, 5, context, reference=each) for each in (tokens, other)]

    def run(number, reference):
        with torch.no_grad():
            results[number] = unet(sample, 5, context, reference=reference)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate((tokens, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.allclose(results[number], wanted[number], atol=1e-5) for number in (0, 1))


def loss_inputs():
    return dict(
        latents=draw("loss.latents", (2, 4, 3, 9, 10)),
        background=draw("loss.background", (2, 4, 3, 9, 10)),
        reference_latent=draw("loss.reference", (2, 4, 9, 10)),
        context=draw("loss.context", (2, 1, 24)),
        poses=torch.sigmoid(draw("loss.pose", (2, 3, 3, 72, 80))),
        timesteps=torch.tensor([37, 812]),
        noise=draw("loss.noise", (2, 4, 3, 9, 10)),
        drop=torch.tensor([True, False]),
    )


def test_loss():
    assert_golden(mimo.training_loss(*networks(), **loss_inputs(), snr_gamma=None), "loss.plain")
    assert_golden(mimo.training_loss(*networks(), **loss_inputs()), "loss.min_snr")


def test_gradient_checkpointing_gives_the_same_gradients():
    unets = [filled(mimo.DenoisingUNet(**CONFIG), "denoising.").requires_grad_(True) for _ in range(2)]
    unets[1].gradient_checkpointing = True
    for unet in unets:
        with torch.enable_grad():
            reference, _, guider = networks()
            mimo.training_loss(reference, unet, guider, **loss_inputs()).backward()
    for (name, first), second in zip(unets[0].named_parameters(), unets[1].parameters(), strict=True):
        assert first.grad is not None and torch.allclose(first.grad, second.grad, atol=1e-6), name


def test_begun_from_stable_diffusion():
    unet = mimo.DenoisingUNet(**CONFIG)
    shapes = {name: tensor.shape for name, tensor in unet.state_dict().items()}
    stable = {
        name: filling.filled(name, tuple(shape)) for name, shape in shapes.items() if ".motion_modules." not in name
    }
    stable["conv_in.weight"] = stable["conv_in.weight"][:, :4]
    motion = {name: tensor for name, tensor in unet.state_dict().items() if ".motion_modules." in name}
    reference, denoising = mimo.unets_from_sd15(stable, {f"module.{name}": tensor for name, tensor in motion.items()})
    mimo.ReferenceUNet(**CONFIG).load_state_dict(reference, strict=True)
    unet.load_state_dict(denoising, strict=True)
    assert torch.equal(unet.conv_in.weight[:, :4], stable["conv_in.weight"])
    assert unet.conv_in.weight[:, 4:].abs().max() == 0
    with pytest.raises(DisMoError, match="no conv_in.weight"):
        mimo.unets_from_sd15({})
    with pytest.raises(DisMoError, match="no motion modules"):
        mimo.unets_from_sd15(stable, {"x": torch.zeros(1)})


def test_motion_modules_learn_behind_frozen_layers_whatever_their_memory_format():
    from dismo_core.mimo.models.motion_module import MotionModule

    frames = draw("frozen", (6, 64, 4, 4))
    found = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        module = filled(MotionModule(64, 4, 8), "motion.").requires_grad_(True)
        with torch.enable_grad():
            module(frames.contiguous(memory_format=memory_format), 6).square().sum().backward()
        found.append(module.temporal_transformer.norm.weight.grad)
    assert found[0].abs().sum() > 0 and torch.allclose(*found, rtol=1e-4)
