"""Prompts for the servers of these tests: the workflow files, nine frames and four steps, on toy models."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import toy_base

FOLDER = Path(__file__).resolve().parents[1] / "comfyui"
TOY = {"adapter": toy_base.ADAPTER, "base": toy_base.BASE}


def graph(name: str, **inputs: dict[str, Any]) -> dict[str, Any]:
    """The prompt of a workflow file with other inputs at all nodes of a class."""
    prompt = json.loads((FOLDER / f"{name}.api.json").read_text("utf-8"))
    small = {
        "ExtractMotion": {"frame_count": 9},
        "MotionTransferSample": {"steps": 4},
        "LoadCogVideoXMotionAdapter": TOY,
    }
    for node in prompt.values():
        node["inputs"] |= small.get(node["class_type"], {}) | inputs.get(node["class_type"], {})
    return prompt


def node(prompt: dict[str, Any], kind: str) -> str:
    """The id of the first node of a class."""
    return next(key for key, value in prompt.items() if value["class_type"] == kind)


def with_frames(prompt: dict[str, Any]) -> dict[str, Any]:
    """The same, its frames saved as pictures, too: a video file does not keep their bits."""
    prompt = copy.deepcopy(prompt)
    frames = [node(prompt, "MotionTransferSample"), 1]
    prompt["90"] = {"class_type": "SaveImage", "inputs": {"images": frames, "filename_prefix": "frames"}}
    return prompt
