"""Libraries that not every installation has, and how they are installed."""

from __future__ import annotations

import importlib.util

from ..errors import DisMoError

# Module -> package, where the two differ.
PACKAGES = {
    "cv2": "opencv-python-headless",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "google": "protobuf",
}


def require_libraries(*modules: str) -> None:
    """Raise where one cannot be found; asked before long work."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise _missing(module)


def missing_library(error: ModuleNotFoundError) -> DisMoError | None:
    """The error in words; None where what is missing is a piece of this software."""
    module = (error.name or "").partition(".")[0]
    return None if module in ("", __name__.partition(".")[0]) else _missing(module)


def _missing(module: str) -> DisMoError:
    package = PACKAGES.get(module, module)
    return DisMoError(f"This needs {package}, which is not installed here. Install it: pip install {package}")
