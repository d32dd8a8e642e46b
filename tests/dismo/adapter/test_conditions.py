"""Conditions against figures of the published code (G7), and which embeddings each latent frame follows."""

import pytest
import torch
from filling import assert_figures, fill, wave

from dismo_core.dismo.adapter.conditions import ConditionEncoder


@pytest.fixture(scope="module")
def encoder():
    return fill(ConditionEncoder(d_motion=8, d_cond=16)).requires_grad_(False)


def test_figures(encoder):
    conditions = encoder(wave(0.1, 2, 9, 8))
    assert conditions.shape == (2, 4, 16)
    assert_figures(conditions, 0.142753, 0.837405, [-0.390828, -0.134283, -0.694346, 1.546376], [-0.011180, -0.072569])


@pytest.mark.parametrize(("index", "latent_frame"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (20, 5)])
def test_each_embedding_reaches_one_latent_frame(encoder, index, latent_frame):
    embeddings = wave(0.1, 1, 21, 8)
    changed = embeddings.clone()
    changed[0, index] += 1
    differs = (encoder(embeddings) != encoder(changed)).any(dim=-1)[0]
    assert differs.nonzero().flatten().tolist() == [latent_frame]


def test_the_last_latent_frame_is_the_padding_as_it_is(encoder):
    torch.testing.assert_close(encoder(wave(0.1, 1, 5, 8))[:, -1:], encoder.final_latent_cond_padding)
