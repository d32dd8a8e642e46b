"""Socket types of the pack. The names are for ever: other packs and saved workflows use them."""

from __future__ import annotations

from comfy_api.latest import io

Extractor = io.Custom("DISMO_EXTRACTOR")  # dismo_core.MotionExtractor
Motion = io.Custom("DISMO_MOTION")  # dismo_core.Motion
StrengthCurve = io.Custom("CURVE,FLOATS")  # ComfyUI's own, where it has them
MotionClips = io.Custom("DISMO_MOTION_CLIPS")  # nodes/motiondirector/clip_list.py
MotionDirectorAdapter = io.Custom("DISMO_MD_ADAPTER")  # dismo_core.motiondirector.adapter_file.AdapterFile
TextToVideoBase = io.Custom("DISMO_T2V_BASE")  # dismo_core.text_to_video.TextToVideoBase
VideoModel = io.Custom("DISMO_VIDEO_MODEL")  # dismo_core.dismo.video_model.MotionVideoModel
MimoModel = io.Custom("DISMO_MIMO_MODEL")  # dismo_core.mimo.MimoPipeline
MimoTemplate = io.Custom("DISMO_MIMO_TEMPLATE")  # dismo_core.mimo.Template
MimoCrops = io.Custom("DISMO_MIMO_CROPS")  # nodes.mimo.plan_crops.Crops
