"""Noise priors: their variance, sizes and lengths, and what cannot be mixed."""

import pytest
import torch

from dismo_core import DisMoError
from dismo_core.diffusion.noise_prior import mix_noise_prior, start_noise


def test_the_variance_stays_one():
    inversion, noise = (torch.randn(1, 4, 8, 32, 32, generator=torch.Generator().manual_seed(i)) for i in range(2))
    for prior in (0, 0.3, 0.7, 1):
        assert mix_noise_prior(inversion, noise, prior).var() == pytest.approx(1, abs=0.03)
    assert torch.equal(mix_noise_prior(inversion, noise, 0), noise)
    torch.testing.assert_close(mix_noise_prior(inversion, noise, 1), inversion)


@pytest.mark.parametrize("size", [(20, 48), (64, 64)])
def test_a_resize_shrinks_the_deviation_unless_it_is_restored(size):
    inversion = torch.randn(1, 4, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    noise = torch.zeros(2, 4, 8, *size)
    parity = mix_noise_prior(inversion, noise, 1.0, renormalise=False)
    restored = mix_noise_prior(inversion, noise, 1.0)
    assert restored.shape == noise.shape and parity.std() < 0.85
    torch.testing.assert_close(restored.std(dim=(2, 3, 4)), torch.ones(2, 4))


def test_another_length_is_cut_or_repeated_with_a_warning(caplog):
    inversion = torch.arange(3.0).view(1, 1, 3, 1, 1)
    assert mix_noise_prior(inversion, torch.zeros(1, 1, 2, 1, 1), 1.0).flatten().tolist() == [0, 1]
    assert "has 3 frames, and 2 are made: it is cut" in caplog.text
    assert mix_noise_prior(inversion, torch.zeros(1, 1, 5, 1, 1), 1.0).flatten().tolist() == [0, 1, 2, 0, 1]
    assert "repeated from its beginning" in caplog.text


def test_what_cannot_be_mixed():
    noise = torch.zeros(1, 4, 2, 2, 2)
    for prior in (-0.1, 1.1):
        with pytest.raises(DisMoError, match="share of 0 to 1"):
            mix_noise_prior(noise, noise, prior)
    with pytest.raises(DisMoError, match="batch .or 1. and channels must agree"):
        mix_noise_prior(torch.zeros(2, 4, 2, 2, 2), noise, 0.5)


def test_a_seed_is_the_same_in_both_precisions():
    half, whole = start_noise((1, 4, 2, 4, 4), 5), start_noise((1, 4, 2, 4, 4), 5, dtype=torch.float32)
    torch.testing.assert_close(half.float(), whole, atol=2e-3, rtol=0)
    assert not torch.equal(half, start_noise((1, 4, 2, 4, 4), 6))
