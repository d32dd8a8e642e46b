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
Clip4D = io.Custom("DISMO_4D_CLIP")  # dismo_core.gaussians4d.clip.Clip4D
Gaussians = io.Custom("DISMO_GAUSSIANS")  # dismo_core.gaussians4d.posed.PosedGaussians
Guidance4D = io.Custom("DISMO_4D_GUIDANCE")  # dismo_core.gaussians4d.zero123.Zero123
Static4D = io.Custom("DISMO_4D_STATIC")  # dismo_core.gaussians4d.static_lgm.StaticLGM
Model4D = io.Custom("DISMO_4D")  # dismo_core.gaussians4d.Gaussians4D
Mesh4D = io.Custom("DISMO_4D_MESH")  # dismo_core.gaussians4d.moving_mesh.MovingMesh
CMDModel = io.Custom("DISMO_CMD_MODEL")  # dismo_core.content_motion.ContentMotionModel
CMDMotion = io.Custom("DISMO_CMD_MOTION")  # dismo_core.content_motion.MotionLatent
