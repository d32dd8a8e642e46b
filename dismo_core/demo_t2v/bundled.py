"""The small weights that come with this version: what was trained on top of the bundled text-to-video base, which has the rest."""

from __future__ import annotations

from pathlib import Path

from ..errors import DisMoError
from ..text_to_video.weights import tiny_folder
from ..weights.load import CHECKSUMS, intact
from ..weights.shards import opened

TINY = Path(__file__).parents[1] / "assets" / "demo_t2v" / "tiny"
STEMS = {"unet": "demo", "motion_encoder": "motion_encoder", "content_encoder": "content_encoder"}
BASE_KEY = "base"  # in the metadata of a UNet's file that lacks what its base has


def tiny_paths() -> dict[str, Path]:
    """Part -> file or folder of the bundled model, each as it was made.

    Raises:
        DisMoError: it is not bundled, or damaged.
    """
    files = tiny_files()
    if not files:
        raise DisMoError(
            f"The model 'tiny' is not bundled with this version (no {TINY}). Name a folder with DEMO's files, or 'demo' for the published "
            "ones.",
            hint="download",
            name="demo",
        )
    return {part: intact(files[stem]) for part, stem in STEMS.items()} | {"autoencoder": tiny_folder()}


def grew_out_of_tiny(unet: Path) -> bool:
    """Whether a UNet's file holds only what was trained on top of the bundled base, whose autoencoder it then needs.

    Raises:
        DisMoError: not a whole file.
    """
    if unet.suffix not in (".safetensors", ".sft"):
        return False
    with opened(unet) as file:
        told: dict[str, str] = file.metadata() or {}
    return BASE_KEY in told


def tiny_files() -> dict[str, Path]:
    """Name -> weight file; none where it is not bundled."""
    if not (TINY / CHECKSUMS).is_file():
        return {}
    return {stem: TINY / f"{stem}.safetensors" for stem in STEMS.values()}
