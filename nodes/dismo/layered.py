"""What only the layered model can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dismo_core import DisMoError

if TYPE_CHECKING:
    from ...dismo_core import LayeredModel
    from ...dismo_core.dismo.video_model import MotionVideoModel


def require_layered(model: MotionVideoModel, node: str) -> LayeredModel:
    """The model, if it is a layered one.

    Args:
        model: from a socket.
        node: that needs it, for the message.

    Raises:
        DisMoError: another video model.
    """
    from ...dismo_core import LayeredModel

    if not isinstance(model, LayeredModel):
        raise DisMoError(
            f"{node} needs a layered model, as only that says where points of a picture go; this video model is another "
            f"({type(model).__name__}). Connect Load Layered Model."
        )
    return model
