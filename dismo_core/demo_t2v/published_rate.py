"""The learning rate as the published training ran it (docs/methods/demo_t2v.md, 6)."""

from __future__ import annotations

HALF = 2000  # optimizer steps up, and as many down
LOW, HIGH = 1e-5, 5e-5
BETA_LOW, BETA_HIGH = 0.85, 0.99
BETA2 = 0.99


def one_cycle(step: int) -> tuple[float, float]:
    """(learning rate, first beta of Adam) at optimizer step 0, 1, ...: up, down, and slowly up again."""
    if step > 2 * HALF:
        return LOW * (1 + 0.001 * (step - 2 * HALF) / 10_000), BETA_HIGH
    share = step / HALF if step <= HALF else (2 * HALF - step) / HALF
    return LOW + (HIGH - LOW) * share, BETA_HIGH - (BETA_HIGH - BETA_LOW) * share
