"""Text, picture or video to 4D: Gaussians that move, fitted to one clip. Names are loaded when they are asked for."""

from __future__ import annotations

from ..imports import lazily

_NAMES = {
    "cameras": (
        "BAKE_VIEWS", "multiview_cameras", "orbit_pose", "plucker_rays", "preview_plan", "project_points",
        "world_to_view", "zero123_camera",
    ),
    "gaussians": ("Gaussians",),
    "ply": ("read_ply", "write_ply"),
    "rasterizer": ("Raster", "rasterize"),
    "field": ("HexPlaneDeformation",),
    "model4d": ("Gaussians4D", "time_code"),
    "schedules": ("NovelViews", "draw_views", "elevation_range", "noise_timestep", "novel_view_size", "position_lr"),
    "guidance": ("Zero123Guidance",),
    "prepare": ("prepare_frame", "recenter"),
    "density": ("DensityGrid", "density_grid", "extract_surface"),
    "mesh": ("Mesh", "read_mesh", "vertex_normals", "write_mesh"),
    "texture": ("splat_texture",),
    "ball": ("densify", "init_ball"),
    "fit": ("DynamicFit",),
    "inflate": ("inflate_silhouette",),
    "lgm": ("LGM",),
    "multiview": ("MultiViewUNet",),
    "morph_glb": ("animated_glb",),
    "viewer": ("html_viewer",),
}  # fmt: skip
_LAZY = {name: f".{module}" for module, names in _NAMES.items() for name in names}
__all__ = sorted(_LAZY)


__getattr__ = lazily(__name__, _LAZY)
