"""The motion extractor against figures and goldens of the published code."""

from inspect import getgeneratorlocals
from pathlib import Path

import pytest
import torch
from filling import assert_figures, fill, wave
from safetensors.torch import load_file

import dismo_core as dismo
from dismo_core.dismo.models.rotary import AxialRotary3D, clip_positions

GOLDENS = Path(__file__).parents[2] / "goldens" / "extractor.safetensors"


def figure_extractor():
    encoder = dict(embed_dim=32, depth=2, num_heads=2, image_size=56)
    return fill(dismo.MotionExtractor(width=64, depth=2, d_head=16, d_motion=8, frame_encoder=encoder))


def golden_extractor(goldens):
    encoder = dict(embed_dim=24, depth=2, num_heads=2, image_size=224)
    extractor = dismo.MotionExtractor(width=32, depth=2, d_head=16, d_motion=8, frame_encoder=encoder)
    extractor.load_state_dict({k[3:]: v for k, v in goldens.items() if k.startswith("sd.")}, strict=True)
    return extractor


def golden_clip(goldens, case):
    height, width = goldens[f"{case}.hw"].tolist()
    seed = goldens[f"{case}.seed_uint8"].float() / 127.5 - 1
    return seed.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)[:, :, :height, :width]


@pytest.fixture(scope="module")
def clip():
    return wave(0.001, 2, 11, 64, 80, 3)


def test_figures_of_the_frame_encoder(clip):
    extractor = figure_extractor()
    assert len(extractor.state_dict()) == 63
    tokens = extractor.frame_encoder(clip[:, 0])
    assert_figures(tokens, 0.008324, 1.029509, [1.062705, 0.747893, 0.106247, -2.172508], [-1.009597, 0.096735])


def test_figures_of_one_window(clip):
    out = figure_extractor()(clip[:, :8])
    assert_figures(out, 0.076232, 1.004751, [1.45203, 1.22613, 0.19481, -0.94468], [0.18606, 1.07964])


def test_figures_of_sliding(clip):
    out = figure_extractor().forward_sliding(clip)
    assert out.shape == (2, 7, 8)
    assert_figures(out, 0.074945, 1.004473, [1.45203, 1.22613, 0.19481, -0.94468], [0.17788, 1.07474])


def test_figures_of_a_short_clip(clip):
    out = figure_extractor().forward_sliding(clip[:, :6])
    assert_figures(out, 0.086189, 1.006807, [1.41972, 1.32691, 0.35874, -0.81534], [-0.37588, 0.66347])


@pytest.mark.parametrize("case", ["t8", "t11", "t5", "rect"])
def test_goldens(case):
    goldens = load_file(GOLDENS)
    out = golden_extractor(goldens).forward_sliding(golden_clip(goldens, case))
    torch.testing.assert_close(out, goldens[f"{case}.sliding"], atol=2e-4, rtol=0)


def test_golden_of_forward():
    goldens = load_file(GOLDENS)
    torch.testing.assert_close(
        golden_extractor(goldens)(golden_clip(goldens, "t8")), goldens["t8.forward"], atol=2e-4, rtol=0
    )


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
@pytest.mark.parametrize("frames", [9, 20, 31])
def test_chunks_change_nothing(chunk, frames):
    x = wave(0.0007, 1, frames, 28, 28, 3)
    extractor = figure_extractor()
    one_by_one = torch.cat(
        [extractor(x[:, :8])] + [extractor(x[:, s : s + 8])[:, -1:] for s in range(1, frames - 7)], dim=1
    )
    torch.testing.assert_close(extractor.forward_sliding(x, chunk_windows=chunk), one_by_one, atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [9, 12, 15, 21])
def test_stride_four_keeps_every_embedding_of_its_windows(frames):
    x = wave(0.0007, 1, frames, 28, 28, 3)
    extractor = figure_extractor()
    out = extractor.forward_sliding(x, window_stride=4, chunk_windows=2)
    assert out.shape[1] == frames - 4
    torch.testing.assert_close(out[:, :4], extractor(x[:, :8]), atol=1e-5, rtol=0)
    torch.testing.assert_close(out[:, -1:], extractor(x[:, -8:])[:, -1:], atol=1e-5, rtol=0)


def test_progress_counts_windows_and_may_stop_it():
    seen = []
    x = wave(0.0007, 1, 20, 28, 28, 3)
    figure_extractor().forward_sliding(x, chunk_windows=4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 13), (8, 13), (12, 13), (13, 13)]

    class Stop(Exception):
        pass

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        figure_extractor().forward_sliding(x, chunk_windows=4, progress=stop)


def test_the_token_ring_does_not_grow_with_the_clip():
    extractor = figure_extractor()
    encoded = []
    encode = extractor.encode
    extractor.encode = lambda x: encoded.append(x.shape[1]) or encode(x)
    stream = extractor.stream(wave(0.0007, 1, 60, 28, 28, 3).split(16, dim=1), chunk_windows=4)
    held = [getgeneratorlocals(stream)["held"].shape[1] for _ in stream]
    assert len(held) == 14 and max(held) <= 3 + 7 + 16  # windows that wait for a chunk, overlap, new frames
    assert sum(encoded) == 60  # every frame is encoded once


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("frames", [5, 8, 9, 26, 33])
def test_pieces_of_any_length_give_the_whole(frames, stride):
    x = wave(0.0007, 2, frames, 28, 28, 3)
    extractor = figure_extractor()
    whole = extractor.forward_sliding(x, window_stride=stride)
    for lengths in ([1] * frames, [3, frames - 3], [frames]):
        done, found = zip(*extractor.stream(x.split(lengths, dim=1), stride), strict=True)
        assert list(done) == list(range(1, len(done) + 1))
        torch.testing.assert_close(torch.cat(found, dim=1), whole, atol=1e-5, rtol=0)


def test_a_stream_without_frames_is_too_short():
    with pytest.raises(dismo.DisMoError, match="0 frames"):
        list(figure_extractor().stream([]))


def test_the_large_geometry_is_that_of_the_released_file():
    with torch.device("meta"):
        state = dismo.MotionExtractor.large().state_dict()
    assert len(state) == 497
    assert sum(v.numel() for v in state.values()) == 594_349_888
    dino = {k: v for k, v in state.items() if k.startswith("frame_encoder.")}
    assert (len(dino), sum(v.numel() for v in dino.values())) == (344, 304_372_736)
    shapes = {
        "query_tokens": [1, 1, 1024], "layers.19.self_qkv.weight": [3072, 1024], "layers.0.self_scale": [16],
        "layers.7.ff.up_proj.weight": [6144, 1024], "layers.7.ff.down_proj.weight": [1024, 3072],
        "pos_emb.spatial_freqs": [2, 16, 8], "pos_emb.temporal_freqs": [16, 8], "proj.weight": [1024, 1024],
        "head.0.scale": [1024], "head.2.up_proj.weight": [6144, 1024], "head.2.down_proj.weight": [128, 3072],
        "head.2.skip_proj.weight": [128, 1024], "head.3.scale": [128],
        "frame_encoder.model.pos_embed": [1, 1370, 1024], "frame_encoder.model.mask_token": [1, 1024],
        "frame_encoder.model.patch_embed.proj.weight": [1024, 3, 14, 14],
        "frame_encoder.model.blocks.23.mlp.fc1.weight": [4096, 1024], "frame_encoder.model.blocks.0.ls1.gamma": [1024],
    }  # fmt: skip
    assert {name: list(state[name].shape) for name in shapes} == shapes


def test_constants_of_the_rotary_table():
    table = AxialRotary3D(heads=16, d_head=64)
    spatial, temporal = table.spatial_freqs, table.temporal_freqs
    figures = [*spatial[0, 0, :3], spatial[0, 15, 7], *temporal[0, :3], temporal[15, 7]]
    expected = [3.141593, 4.189381, 5.586629, 30.855841, 1, 0.562341, 0.316228, 0.010366]
    torch.testing.assert_close(torch.stack(figures), torch.tensor(expected), atol=5e-6, rtol=0)


def test_positions_of_a_clip():
    at = clip_positions(2, 3, 5)
    torch.testing.assert_close(at[0], torch.tensor([0, -0.4, -0.8]))
    torch.testing.assert_close(at[-1], torch.tensor([1, 0.4, 0.8]))


BAD = {
    "rank": (torch.zeros(8, 28, 28, 3), r"\[batch, frames, height, width, 3\]"),
    "channels": (torch.zeros(1, 8, 28, 28, 4), r"\[1, 8, 28, 28, 4\]"),
    "integers": (torch.zeros(1, 8, 28, 28, 3, dtype=torch.uint8), "uint8"),
    "bytes as floats": (torch.full((1, 8, 28, 28, 3), 200.0), "200"),
    "nan": (torch.full((1, 8, 28, 28, 3), float("nan")), "NaN"),
    "too small": (torch.zeros(1, 8, 13, 28, 3), "14 px"),
    "too short": (torch.zeros(1, 4, 28, 28, 3), "at least 5"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("entry", ["forward", "forward_sliding"])
def test_bad_input_is_named(name, entry):
    video, message = BAD[name]
    with pytest.raises(dismo.DisMoError, match=message):
        getattr(figure_extractor(), entry)(video)


def test_a_long_clip_is_sent_to_sliding():
    with pytest.raises(dismo.DisMoError, match="forward_sliding"):
        figure_extractor()(torch.zeros(1, 9, 28, 28, 3))


def test_values_that_look_like_zero_to_one_are_warned_of(caplog):
    figure_extractor()(torch.rand(1, 5, 28, 28, 3))
    assert "x * 2 - 1" in caplog.text
