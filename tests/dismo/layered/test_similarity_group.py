"""Similarities as complex numbers: they compose, undo and interpolate as transforms of the plane do."""

import cmath
import math

import pytest
import torch

from dismo_core.dismo.layered.similarity import Similarity, exponential, logarithm


def c(*values):
    return torch.tensor(values, dtype=torch.complex128)


POINTS = c(0, 1, 1j, 2 - 3j)
TURN = Similarity(c(2 * cmath.exp(0.5j)), c(3 - 1j))


def test_composition_and_inverse():
    other = Similarity(c(0.5j), c(1))
    torch.testing.assert_close(TURN.after(other)(POINTS), TURN(other(POINTS)))
    torch.testing.assert_close(TURN.inverse()(TURN(POINTS)), POINTS)


def test_about_a_point_turns_round_it():
    turned = Similarity(c(1j), c(0)).about(2 + 1j)
    torch.testing.assert_close(turned(c(2 + 1j, 3 + 1j)), c(2 + 1j, 2 + 2j))  # clockwise: y points down


@pytest.mark.parametrize("rate", [0, 1e-9, 0.3, 0.1 + 0.5j, -2j])
def test_logarithm_undoes_exponential(rate):
    found = logarithm(exponential(c(rate), c(1 + 2j)))
    torch.testing.assert_close(torch.cat(found), c(rate, 1 + 2j))


def test_small_steps_add_up_to_a_large_one():
    step, whole = exponential(c(0.1j), c(0.5)), exponential(c(1j), c(5))
    moved = POINTS
    for _ in range(10):
        moved = step(moved)
    torch.testing.assert_close(moved, whole(POINTS))


def test_one_step_of_a_turn_follows_a_circle():
    quarter = exponential(c(1j * math.pi / 2), c(math.pi / 2))  # radius 1
    torch.testing.assert_close(quarter(c(0)), c(1 + 1j))
