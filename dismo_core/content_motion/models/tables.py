"""Fixed sin-cos tables: of positions on a grid, and of times (docs/methods/content_motion.md, 3.2 and 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...errors import DisMoError


def position_table(width: int, rows: int, columns: int) -> Tensor:
    """[1, rows * columns, width], float32 from float64: the first half of the channels tells the column, the second the row."""
    frequencies = 10000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    row, column = (torch.arange(n, dtype=torch.float64)[:, None] * frequencies for n in (rows, columns))
    row, column = (torch.cat((angle.sin(), angle.cos()), dim=1) for angle in (row, column))
    both = torch.cat((column[None].expand(rows, -1, -1), row[:, None].expand(-1, columns, -1)), dim=-1)
    return both.reshape(1, rows * columns, 4 * (width // 4)).float()


def laid_out(table: str, width: int, rows: int, columns: int) -> Tensor:
    """The table of a grid of tokens.

    Args:
        table: "grid" = its rows and columns; "square" = those of a square with as many tokens, as released.
        width: channels, a multiple of 4.
        rows: of the grid.
        columns: likewise.

    Raises:
        DisMoError: "square" and a number of tokens that is no perfect square, or another word.
    """
    if table == "grid":
        return position_table(width, rows, columns)
    if table != "square":
        raise DisMoError(f"There is no table {table!r}: choose 'grid', or 'square' as released.")
    tokens = rows * columns
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise DisMoError(
            f"table='square' needs a perfect square of tokens; {rows} x {columns} are {tokens}, and {side} x {side} are {side * side}. "
            "Use table='grid'."
        )
    return position_table(width, side, side)
