"""Importing the packages that depend on each other's versions; where one does not import, the error says what to mend."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .errors import DisMoError, first_line

TOGETHER = ("torch", "torchvision", "transformers", "diffusers", "peft", "accelerate", "huggingface_hub")


def lazily(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`, which imports what is asked for.

    Args:
        package: its `__name__`.
        names: public name -> module that has it, from the package on.
    """

    def find(name: str) -> Any:
        module = names.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(module, package), name)

    return find


@contextlib.contextmanager
def importing(package: str) -> Iterator[None]:
    """Around the import statements of a package, and nothing else.

    diffusers, transformers and PEFT import torchvision where it is there, and one that was made for another torch ("operator
    torchvision::nms does not exist") reappears as "Could not import module" of something else; the cause lies below.

    Raises:
        DisMoError: the package is not there, or something that it needs is missing, too old or broken.
    """
    try:
        yield
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        reasons = [first_line(cause) for cause in _causes(error)]
        if any("torchvision" in reason for reason in reasons):
            remedy = "torchvision was made for another torch: install the one that belongs to yours, or uninstall torchvision."
        else:
            remedy = "Install what this software's requirements.txt asks for into the same environment."
        raise DisMoError(
            f"{package} does not import here: {reasons[-1]} (installed: {_installed()}). {remedy}"
        ) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those below it."""
    below: BaseException | None = error
    while below is not None:
        yield below
        below = below.__cause__ or below.__context__


def _installed() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in TOGETHER:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)
