"""As much of ComfyUI's Python interface as the nodes use, for tests without ComfyUI. The real one: `tests/comfyui`."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

DECODED = "the frames of a video, decoded"


class Port:
    """An input or output: what it was constructed with."""

    def __init__(self, id: str, **settings: Any) -> None:
        self.id, self.settings, self.extra_dict = id, settings, {}


@dataclass
class Schema:
    """ComfyUI's, as old as 0.3.48: without search_aliases."""

    node_id: str
    display_name: str
    category: str
    inputs: list[Port]
    outputs: list[Port]
    description: str = ""
    hidden: list[str] = field(default_factory=list)
    is_output_node: bool = False


class NodeOutput(tuple):
    """Results, and what the page shows."""

    def __new__(cls, *results: Any, ui: Any = None) -> NodeOutput:
        output = super().__new__(cls, results)
        output.ui = ui
        return output


class VideoFromFile:
    """A video in a file, perhaps with edits that the file does not hold; as newer versions of ComfyUI have it."""

    def __init__(
        self, file: Any, window: tuple[float, float] = (0.0, 0.0), crop: tuple[int, ...] | None = None
    ) -> None:
        self.__file, self.__window, self.__crop = file, window, crop

    def get_stream_source(self) -> Any:
        return self.__file

    def get_components(self) -> Any:
        return types.SimpleNamespace(images=DECODED, frame_rate=Fraction(8))

    def get_active_trim_window(self) -> tuple[float, float]:
        return self.__window

    def as_trimmed(self, start_time: float, duration: float, strict_duration: bool = True) -> VideoFromFile:
        return type(self)(self.__file, (start_time, duration), self.__crop)


class VideoFromComponents:
    """A video in memory."""

    def __init__(self, components: Any) -> None:
        self.components = components

    def get_components(self) -> Any:
        return self.components


class Patcher:
    """ModelPatcher: remembers what it was given."""

    def __init__(
        self, model: Any, load_device: Any, offload_device: Any, size: int = 0, weight_inplace_update: bool = False
    ) -> None:
        self.model, self.load_device, self.offload_device = model, load_device, offload_device


@contextlib.contextmanager
def installed(base: Path) -> Iterator[None]:
    """The stand-in as importable modules, with `base` as ComfyUI's base directory."""
    import torch

    cpu = torch.device("cpu")
    kind = types.SimpleNamespace(Input=Port, Output=Port)
    io = types.SimpleNamespace(
        Schema=Schema,
        NodeOutput=NodeOutput,
        WidgetInput=Port,
        ComfyNode=type("ComfyNode", (), {"hidden": types.SimpleNamespace(prompt=None, extra_pnginfo=None)}),
        Custom=lambda name: kind,
        Hidden=types.SimpleNamespace(prompt="PROMPT", extra_pnginfo="EXTRA_PNGINFO"),
        FolderType=types.SimpleNamespace(output="output"),
        **dict.fromkeys(
            (
                "Int",
                "Float",
                "String",
                "Boolean",
                "Combo",
                "Image",
                "Mask",
                "Video",
                "Audio",
                "Mesh",
                "Vae",
                "Clip",
                "Latent",
            ),
            kind,
        ),
    )
    modules = {
        "comfy": {},
        "comfy.cli_args": {"args": types.SimpleNamespace(disable_metadata=False)},
        "comfy.utils": {"ProgressBar": mock.MagicMock(), "__file__": str(base / "comfy/utils.py")},
        "comfy.model_patcher": {"ModelPatcher": Patcher},
        "comfy.model_management": {
            "get_torch_device": lambda: cpu,
            "unet_offload_device": lambda: cpu,
            "load_models_gpu": mock.MagicMock(),
            "free_memory": mock.MagicMock(),
            "unload_all_models": mock.MagicMock(),
            "LoadedModel": lambda patcher: ("loaded", patcher),
            "throw_exception_if_processing_interrupted": lambda: None,
            "OOM_EXCEPTION": torch.OutOfMemoryError,
        },
        "comfy_api": {},
        "comfy_api.latest": {
            "io": io,
            "ui": types.SimpleNamespace(
                SavedResult=lambda *entry: entry,
                PreviewVideo=lambda entries: {"images": entries, "animated": (True,)},
                PreviewImage=lambda images: {"images": images},
            ),
            "ComfyExtension": object,
            "InputImpl": types.SimpleNamespace(VideoFromFile=VideoFromFile, VideoFromComponents=VideoFromComponents),
            "Types": types.SimpleNamespace(VideoComponents=types.SimpleNamespace),
        },
        "comfy_execution": {},
        "comfy_execution.utils": {"get_executing_context": lambda: None},
        "folder_paths": _folder_paths(base),
        "server": {
            "PromptServer": types.SimpleNamespace(instance=mock.MagicMock(last_node_id="7", client_id="a page"))
        },
    }
    loaded = {}
    for name, content in modules.items():
        loaded[name] = types.ModuleType(name)
        loaded[name].__dict__.update(content)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(loaded[parent], child, loaded[name])
    # Only the stand-in goes again: a whole copy of sys.modules put back would also forget what the test made torch import.
    sys.modules.update(loaded)
    try:
        yield
    finally:
        for name in loaded:
            del sys.modules[name]


def _folder_paths(base: Path) -> dict[str, Any]:
    names_of_comfyui = ("diffusers", "diffusion_models", "text_encoders", "vae", "loras")
    folders: dict[str, Any] = {name: ([str(base / "models" / name)], {".safetensors"}) for name in names_of_comfyui}

    def add(name: str, path: str) -> None:
        folders.setdefault(name, ([], set()))[0].append(path)

    def names(name: str) -> list[str]:
        paths, extensions = folders[name]
        files = [(file, path) for path in paths for file in Path(path).rglob("*")]
        return sorted(str(file.relative_to(path)) for file, path in files if file.suffix in extensions)

    def full_path(name: str, file: str) -> str | None:
        found = [Path(path) / file for path in folders[name][0] if (Path(path) / file).is_file()]
        return str(found[0]) if found else None

    def save_path(prefix: str, folder: str, width: int = 0, height: int = 0) -> tuple[str, str, int, str, str]:
        target = Path(folder) / prefix
        target.parent.mkdir(parents=True, exist_ok=True)
        return str(target.parent), target.name, 1, str(Path(prefix).parent), prefix

    return {
        "models_dir": str(base / "models"),
        "folder_names_and_paths": folders,
        "add_model_folder_path": add,
        "get_folder_paths": lambda name: list(folders[name][0]),
        "get_filename_list": names,
        "get_full_path": full_path,
        "get_full_path_or_raise": full_path,
        "get_input_directory": lambda: str(base / "input"),
        "get_output_directory": lambda: str(base / "output"),
        "get_temp_directory": lambda: str(base / "temp"),
        "get_save_image_path": save_path,
    }
