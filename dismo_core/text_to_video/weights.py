"""The published weights of this family, and the bundled tiny base."""

from __future__ import annotations

from pathlib import Path

from ..errors import DisMoError
from ..weights import registry
from ..weights.kinds import Kind
from ..weights.load import CHECKSUMS, intact
from ..weights.manifest import WEIGHTS, HubModel

PARTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
NON_COMMERCIAL = "CC BY-NC 4.0: non-commercial use only, of the weights and by its terms of what is made with them"
_FILES = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*",
    *(f"{part}/config.json" for part in PARTS),
    *(f"{part}/diffusion_pytorch_model{suffix}" for part in ("unet", "vae") for suffix in (WEIGHTS, ".bin")),
    f"text_encoder/model{WEIGHTS}",
    "text_encoder/pytorch_model.bin",
)
ZEROSCOPE = HubModel(
    repo="cerspense/zeroscope_v2_576w",
    patterns=_FILES,
    size=7_300_000_000,
    licence=NON_COMMERCIAL,
    parts=PARTS,
    family="TextToVideoSD",
)
MODELSCOPE = HubModel(
    repo="damo-vilab/text-to-video-ms-1.7b",
    patterns=_FILES,
    size=7_300_000_000,
    licence=NON_COMMERCIAL,
    parts=PARTS,
    family="TextToVideoSD",
    formerly=("ali-vilab/text-to-video-ms-1.7b",),
)
BASES = (ZEROSCOPE, MODELSCOPE)
SIZES = {
    ZEROSCOPE.name: (576, 320),
    MODELSCOPE.name: (256, 256),
}  # (width, height) px of their training, which no file of theirs tells
PUBLISHED_SAMPLING = (30, 12.0)  # (steps, guidance) of a base whose model_index.json has no "sampling" of its own
TINY = Path(__file__).parent.parent / "assets" / "text_to_video" / "tiny"  # a diffusers folder
UNET = Kind(
    "a text-to-video UNet of the ModelScope family",
    "It is part of a base model and goes where the base is chosen, with its folder.",
    ("transformer_in.proj_in.weight",),
)


def tiny_folder() -> Path:
    """The folder of the bundled base, every file of it as it was made.

    Raises:
        DisMoError: it is not bundled, or damaged.
    """
    if not (TINY / "model_index.json").is_file():
        raise DisMoError(
            f"The base 'tiny' is not bundled with this version (no {TINY}). Name the folder of a base, or fetch one: {ZEROSCOPE.name}.",
            hint="download",
            name=ZEROSCOPE.name,
        )
    for path in tiny_files().values():
        intact(path)
    return TINY


def tiny_files() -> dict[str, Path]:
    """Name -> weight file of the bundled base, each with a checksums.json beside it; none where it is not bundled."""
    stems = {f"text_to_video_tiny_{part}": TINY / part / f"{stem}{WEIGHTS}" for part, stem in PARTS.items()}
    return {name: path for name, path in stems.items() if (path.parent / CHECKSUMS).is_file()}


registry.register(kinds=[UNET], bases={model.name: model for model in BASES}, bundled=tiny_files())
