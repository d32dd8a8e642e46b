"""Head and segmenter as one file holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from torch import nn

from ...weights.geometry import maker
from .head import MotionHead
from .segmenter import WIDTHS, Segmenter


class LayeredNetworks(nn.Module):
    """Both networks of a layered model.

    Args:
        d_motion: see `MotionHead`.
        widths: see `Segmenter`.
    """

    def __init__(self, d_motion: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.head = MotionHead(d_motion)
        self.segmenter = Segmenter(tuple(widths))

    @property
    def geometry(self) -> str:
        """The arguments that make it, as JSON."""
        return json.dumps({"d_motion": self.head.d_motion, "widths": self.segmenter.widths})


def networks_of(metadata: Mapping[str, str], name: str) -> Callable[[], LayeredNetworks] | None:
    """What makes the networks that the metadata describe; None where they describe none.

    Raises:
        DisMoError: they describe something that cannot be made. name: of the file, for the message.
    """
    return maker(metadata, name, lambda geometry: LayeredNetworks(**geometry))
