"""What DISMO_DEMO_COND carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...dismo_core.demo_t2v import Conditioning


@dataclass(frozen=True)
class DemoPrompts:
    """Two texts and their negatives, encoded.

    Args:
        positive: what is asked for.
        negative: what is led away from.
        prompt: text of the content.
        motion_prompt: text of the motion.
    """

    positive: Conditioning
    negative: Conditioning
    prompt: str
    motion_prompt: str
