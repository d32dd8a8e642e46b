"""What ComfyUI is told of MIMO's nodes."""

from __future__ import annotations

from . import template_files
from .build_template import BuildTemplate
from .compose import Compose
from .example import Example
from .fill_background import FillBackground
from .generate import Animate, Edit
from .insert import InsertCharacter
from .load_model import LoadModel
from .occluders import Occluders
from .plan_crops import PlanCrops
from .reference import PrepareReference
from .render_body import RenderBody
from .sample import Sample
from .template_library import LoadTemplate, SaveTemplate, TemplateParts

FOLDERS = (template_files.register_folder,)
NODES = [
    LoadModel,
    Example,
    PrepareReference,
    LoadTemplate,
    BuildTemplate,
    SaveTemplate,
    TemplateParts,
    FillBackground,
    Occluders,
    RenderBody,
    PlanCrops,
    Sample,
    Compose,
    Animate,
    Edit,
    InsertCharacter,
]
