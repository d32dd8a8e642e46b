"""What ComfyUI is told of CMD's nodes."""

from __future__ import annotations

from . import cmd_files
from .cmd_decode import CMDDecode
from .cmd_edit import CMDEdit, CMDMix
from .cmd_encode import CMDEncode
from .cmd_library import CMDLoad, CMDSave
from .cmd_loader import CMDLoadModel
from .cmd_sample import CMDSampleContent, CMDSampleMotion

FOLDERS = (cmd_files.register_folder,)
NODES = [
    CMDLoadModel,
    CMDEncode,
    CMDDecode,
    CMDSampleContent,
    CMDSampleMotion,
    CMDEdit,
    CMDMix,
    CMDSave,
    CMDLoad,
]
