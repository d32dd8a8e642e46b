"""What the pack bundles for MIMO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .templates.template import Template

_FOLDER = Path(__file__).parents[1] / "assets" / "mimo"
EXAMPLE_TEMPLATE = _FOLDER / "gym.zip"
EXAMPLE_CHARACTER = _FOLDER / "gym_character.webp"


def example_template() -> Template:
    """The bundled template: a drawn figure that walks behind a post and a bush."""
    from .templates.template import Template

    return Template.load(EXAMPLE_TEMPLATE)
