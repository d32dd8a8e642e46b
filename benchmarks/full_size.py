"""CogVideoX-5B-I2V with the DisMo adapter at the released sizes, on random weights in files: `python benchmarks/full_size.py`.

Nothing else shows that the released sizes work: 5.57 and 4.76 billion parameters of transformer and text encoder, an
adapter of 0.97. The files (24 GB) are made once in `--folder`. Then a picture of 480x720 px is moved for 9 frames in 2 steps
with the weights left on disk. About 17 minutes on two busy cores. For a machine with little memory:
`systemd-run --scope -p MemoryMax=14G python benchmarks/full_size.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, write_json
from dismo_core import CogVideoXMotionAdapter, Motion, MotionExtractor, Runtime
from dismo_core.cogvideox.base import CogVideoXBase
from dismo_core.cogvideox.geometry import COGVIDEOX_5B_I2V, Geometry
from dismo_core.dismo.adapter.load import load_video_model
from dismo_core.files import save_tensors

ROOT = Path(__file__).resolve().parents[1]
SHARD = 2_000_000_000  # bytes of a file
TOKENIZER = ROOT / "tests/goldens/tiny-CogVideoX-I2V/tokenizer"
FRAMES, STEPS = 9, 2


def random_files(folder: Path, geometry: Geometry) -> tuple[Path, Path]:
    """Write the base's diffusers folder and the adapter's file; what is there already is kept. Returns both paths."""
    base, adapter = folder / "CogVideoX-5b-I2V", folder / "adapter.safetensors"
    if not (base / "model_index.json").is_file():
        for part, config, module in _parts(geometry):
            stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
            _write_sharded(base / part, stem, module, torch.bfloat16)
            (base / part / "config.json").write_text(json.dumps(dict(config)))
        (base / "scheduler").mkdir(exist_ok=True)
        (base / "scheduler/scheduler_config.json").write_text(json.dumps(dict(geometry.scheduler)))
        shutil.copytree(TOKENIZER, base / "tokenizer", dirs_exist_ok=True)
        (base / "model_index.json").write_text('{"_class_name": "CogVideoXImageToVideoPipeline"}')
    if not adapter.is_file():
        shapes = _adapter_on_meta(geometry).state_dict()
        lora = {name for name in shapes if name.startswith("transformer.")}
        save_tensors(
            {name: _random(t, torch.bfloat16 if name in lora else torch.float32) for name, t in shapes.items()}, adapter
        )
    return base, adapter


def _parts(geometry: Geometry) -> Iterator[tuple[str, Mapping[str, Any], nn.Module]]:
    from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel
    from transformers import T5Config, T5EncoderModel

    makers: dict[str, Any] = {
        "transformer": lambda: CogVideoXTransformer3DModel.from_config(dict(geometry.transformer)),
        "vae": lambda: AutoencoderKLCogVideoX.from_config(dict(geometry.vae)),
        "text_encoder": lambda: T5EncoderModel(T5Config(**geometry.text_encoder)),
    }
    for part, make in makers.items():
        with torch.device("meta"):
            module = make()
        yield part, getattr(geometry, part), module


def _adapter_on_meta(geometry: Geometry) -> CogVideoXMotionAdapter:
    from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXTransformer3DModel

    nothing: Any = None
    with torch.device("meta"):
        transformer = CogVideoXTransformer3DModel.from_config(dict(geometry.transformer))
        base = CogVideoXBase(transformer, nothing, nothing, nothing, scheduler_config={}, name="random weights")
        return CogVideoXMotionAdapter(base, MotionExtractor.large())


def _random(like: Tensor, dtype: torch.dtype) -> Tensor:
    """Matrices and kernels that keep the scale of what they get; ones and zeros else."""
    if like.ndim < 2:
        return torch.ones(like.shape, dtype=dtype)
    return torch.empty(like.shape, dtype=dtype).normal_(std=like[0].numel() ** -0.5)


def _write_sharded(folder: Path, stem: str, module: nn.Module, dtype: torch.dtype) -> None:
    """Random values for the tensors of a module on the meta device, never more than a shard of them in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in module.state_dict() if name != "encoder.embed_tokens.weight"]  # T5 stores it once
    groups: list[list[str]] = [[]]
    size = 0
    for name in names:
        nbytes = module.state_dict()[name].numel() * dtype.itemsize
        if groups[-1] and size + nbytes > SHARD:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += nbytes
    where = {}
    for number, group in enumerate(groups, 1):
        file = f"{stem}-{number:05}-of-{len(groups):05}.safetensors"
        save_tensors({name: _random(module.state_dict()[name], dtype) for name in group}, folder / file)
        where |= dict.fromkeys(group, file)
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the files, run, print and write what it took."""
    parser = argparse.ArgumentParser(description="A video at the released sizes, on random weights in files.")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs/full_size", help="takes 24 GB of files")
    parser.add_argument(
        "--layers", type=int, help="of the transformer and the text encoder; for a quick try (default: all)"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", default="disk")
    parser.add_argument("--out", type=Path, default=OUT / "full_size.json", metavar="JSON")
    options = parser.parse_args(arguments)
    geometry = COGVIDEOX_5B_I2V
    if options.layers:
        geometry = replace(
            geometry,
            transformer={**geometry.transformer, "num_layers": options.layers},
            text_encoder={**geometry.text_encoder, "num_layers": options.layers},
        )
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = seconds.get(name, 0.0) + now - last, now
        print(f"{name}: {seconds[name]:.0f} s, {_peak():.1f} GB at most", flush=True)

    base, adapter = random_files(options.folder, geometry)
    lap("files")
    model = load_video_model(adapter, base, options.device, memory=options.memory, folder=options.folder)
    lap("loading")
    rows = torch.randn(FRAMES - 4, 128, generator=torch.Generator().manual_seed(0))
    motion = Motion(rows, 8.0, "random", model.extractor_id, rows[0])
    runtime = Runtime.on(options.device)
    runtime.progress = lambda done, total, _: lap(f"step {done} of {total}, with what came before")
    picture = torch.rand(*model.defaults.size, 3, generator=torch.Generator().manual_seed(1))
    frames = model.transfer(motion, picture, prompt="a pattern", steps=STEPS, runtime=runtime)
    lap("decoding")
    result = {"seconds": seconds, "peak_gb": _peak(), "frames": list(frames.shape), "memory": options.memory}
    write_json(options.out, "full_size", result)
    print(f"{list(frames.shape)} in {sum(seconds.values()) - seconds['files']:.0f} s; written: {options.out}")


def _peak() -> float:
    """Most main memory so far, GB; files that are mapped and may be dropped count, too."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "linux" else 1e9)


if __name__ == "__main__":
    main()
