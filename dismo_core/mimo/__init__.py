"""MIMO: a character put into a video, behind what stands in front. Importing this loads no torch."""

from __future__ import annotations

from ..imports import lazily

_LAZY = {
    "DDIM": ".schedule",
    "DenoisingUNet": ".models.denoising_unet",
    "MimoPipeline": ".pipeline",
    "PoseGuider": ".models.pose_guider",
    "ReferenceUNet": ".models.reference_unet",
    "context_windows": "..diffusion.windows",
    "transfer_colours": ".templates.render",
    "training_loss": ".training.objective",
    "unets_from_sd15": ".models.from_sd15",
    "Clip": ".crops.clips",
    "Template": ".templates.template",
    "TemplateFrames": ".templates.template",
    "animate": ".generate",
    "blend_mask": ".compositing.blend",
    "border_case": ".compositing.blend",
    "clean_silhouette": ".crops.silhouette",
    "compose": ".compositing.compose",
    "crop_square": ".crops.square",
    "edit": ".generate",
    "fill_background": ".templates.background",
    "insert_character": ".insertion.insert",
    "load_mimo": ".load_pipeline",
    "load_blend_masks": ".compositing.blend",
    "occluders": ".templates.occlusion",
    "occlusion_frames": ".templates.occlusion",
    "pad_square": ".crops.square",
    "plan_crops": ".crops.clips",
    "prepare_reference": ".crops.square",
    "render_body": ".templates.render",
    "resample_indices": ".templates.config",
    "resize_area": ".compositing.area",
    "silhouette": ".crops.silhouette",
    "union_box": ".crops.boxes",
}
__all__ = sorted(_LAZY)


__getattr__ = lazily(__name__, _LAZY)
