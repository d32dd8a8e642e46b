"""The adapters that come with this pack, for the bundled base."""

from __future__ import annotations

from pathlib import Path

from ..errors import DisMoError

FOLDER = Path(__file__).parent.parent / "assets" / "motiondirector"


def bundled_adapters() -> dict[str, Path]:
    """Name, as `zoom-in` -> file, with a checksums.json beside it; none where none is bundled."""
    if not (FOLDER / "checksums.json").is_file():
        return {}
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"))}


def bundled_adapter(name: str) -> Path:
    """The file of that name.

    Raises:
        DisMoError: there is none of that name, or it is damaged.
    """
    from ..weights.load import intact

    there = bundled_adapters()
    if name not in there:
        known = (
            f"There are: {', '.join(there)}." if there else "This version comes without any: train one, or give a file."
        )
        raise DisMoError(f"No adapter {name!r} comes with this pack. {known}")
    return intact(there[name])
