"""What a node shows of the motion that it gives: how much moves when.

For nodes that no saved graph of an older version holds: the picture makes a node taller, over what lies below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_api.latest import ui

if TYPE_CHECKING:
    from ... import dismo_core


def energy_preview(motion: dismo_core.Motion) -> ui.PreviewImage:
    """The picture below the node's widgets."""
    from ...dismo_core.dismo.plots import energy_line

    return ui.PreviewImage(energy_line(motion)[None].float() / 255)
