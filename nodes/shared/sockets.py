"""Socket types of the pack. The names are for ever: other packs and saved workflows use them."""

from __future__ import annotations

from comfy_api.latest import io

Extractor = io.Custom("DISMO_EXTRACTOR")  # dismo_core.MotionExtractor
Motion = io.Custom("DISMO_MOTION")  # dismo_core.Motion
StrengthCurve = io.Custom("CURVE,FLOATS")  # ComfyUI's own, where it has them
VideoModel = io.Custom("DISMO_VIDEO_MODEL")  # dismo_core.dismo.video_model.MotionVideoModel
CMDModel = io.Custom("DISMO_CMD_MODEL")  # dismo_core.content_motion.ContentMotionModel
CMDMotion = io.Custom("DISMO_CMD_MOTION")  # dismo_core.content_motion.MotionLatent
