"""Names given to the nodes that save and load cannot lead out of ComfyUI's folders."""

from __future__ import annotations

import os
import types
from fractions import Fraction

import pytest
import torch

import dismo_core as dismo


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def register(pack):
    pack("nodes.dismo.model_files").register_folder()
    pack("nodes.dismo.motion_files").register_folder()


PREFIXES = (
    "../out",
    "a/../../out",
    "/abs/out",
    "..\\out",
    "C:\\out",
    "C:out",
    "\\\\host\\share\\out",
    "nul\0x",
    "x" * 400,
    "~/out",
    "..",
)


@pytest.fixture
def comfy(pack, tmp_path):
    """The pack in the stand-in for ComfyUI, whose `get_save_image_path` refuses to leave the folder, as the real one does."""
    import folder_paths

    inner = folder_paths.get_save_image_path

    def checked(prefix, folder, width=0, height=0):
        if (
            os.path.commonpath(
                (folder, os.path.abspath(os.path.join(folder, os.path.dirname(os.path.normpath(prefix)))))
            )
            != folder
        ):
            raise Exception("Saving image outside the output folder is not allowed.")
        return inner(prefix, folder, width, height)

    folder_paths.get_save_image_path = checked
    return pack


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_the_save_nodes_stay_in_their_folders(comfy, tmp_path, prefix):
    video = types.SimpleNamespace(
        get_components=lambda: types.SimpleNamespace(
            images=torch.zeros(5, 16, 16, 3), frame_rate=Fraction(8), audio=None
        )
    )
    register(comfy)
    save_video = comfy("nodes.shared.save").SaveVideo
    save_video.hidden = types.SimpleNamespace(prompt=None, extra_pnginfo=None)
    save_motion = comfy("nodes.dismo.motion_library").SaveMotion
    motion = comfy("dismo_core").Motion(torch.ones(1, 4), 8.0, "", "")
    before = files(tmp_path)
    for write in (
        lambda: save_video.execute(video, prefix, "mp4", 18),
        lambda: save_motion.execute(motion, prefix, "output"),
        lambda: save_motion.execute(motion, prefix, "library"),
    ):
        try:
            write()
        except Exception as error:
            said = type(error).__name__ == "DisMoError" or "outside the output folder" in str(error)
            assert said, repr(error)
    new = [path for path in files(tmp_path) if path not in before]
    assert all(path.startswith(("output/", "models/dismo/motions/")) for path in new), new


@pytest.mark.parametrize(
    "choice",
    ["../secret.safetensors", "/etc/passwd", "a/../../secret.safetensors [output]", "..\\secret.safetensors", "\0"],
)
def test_choices_of_the_load_nodes_stay_in_their_folders(pack, tmp_path, choice):
    (tmp_path / "output").mkdir()
    for folder in (tmp_path, tmp_path / "output", tmp_path / "models" / "dismo"):
        folder.mkdir(parents=True, exist_ok=True)
        dismo.Motion(torch.ones(1, 4), 8.0, "", "").save(folder / "secret.safetensors")
    register(pack)
    with pytest.raises(pack("dismo_core").DisMoError):
        pack("nodes.dismo.motion_files").resolve(choice)
