"""A sharper texture from the clip: the surface stays, its colors are fitted to the frames (docs/methods/gaussians4d.md, 7.8)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DisMoError
from ..runtime import Runtime
from .cameras import orbit_views
from .clip import Clip4D
from .mesh import Mesh, vertex_normals
from .moving_mesh import MovingMesh
from .zbuffer import draw_triangles

SIZE = 256  # px, at which frames are compared
FACING = 0.5  # least cosine between the normal and the way to the camera
RATE = 0.2  # of the logits of the colors


@dataclass(frozen=True)
class _Pixels:
    """Those that see the surface well: places in the texture [P,2], -1..1 (x, y), and the clip's colors [P,3]."""

    place: Tensor
    color: Tensor


def refine_texture(moving: MovingMesh, clip: Clip4D, steps: int = 50, *, runtime: Runtime | None = None) -> MovingMesh:
    """Fit the colors of a mesh to the frames of its clip, as the known view shows them.

    What no frame shows keeps its color. Meshes of one texture are fitted to all frames together.

    Args:
        moving: with texture coordinates and textures.
        clip: of as many frames.
        steps: of the fit.
        runtime: device, progress and cancel.

    Raises:
        DisMoError: a clip of another length, or no texture.
    """
    runtime = runtime or Runtime.cpu()
    if len(moving.frames) != len(clip.rgba):
        raise DisMoError(
            f"The mesh has {len(moving.frames)} frames, the clip {len(clip.rgba)}. Give the clip that the model was fitted to."
        )
    if not 1 <= steps <= 100_000:
        raise DisMoError(f"steps must be 1 to 100000, not {steps}.")
    if any(mesh.texture is None or mesh.uv is None for mesh in moving.frames):
        raise DisMoError("The mesh has no texture that could be refined. Extract it again.")
    rgb, mask = (value.to(runtime.device) for value in clip.frames(SIZE))
    seen = [_seen(mesh, picture, shown, moving) for mesh, picture, shown in zip(moving.frames, rgb, mask, strict=True)]
    groups = [seen] if moving.rest is not None else [[pixels] for pixels in seen]
    textures = []
    for number, group in enumerate(groups):
        first = moving.frames[number].texture
        assert first is not None
        begun, total = number * steps, steps * len(groups)
        textures.append(_fit(torch.from_numpy(first), group, steps, begun, total, runtime).numpy())
    if moving.rest is None:
        frames = [replace(mesh, texture=own) for mesh, own in zip(moving.frames, textures, strict=True)]
        return replace(moving, frames=frames)
    frames = [replace(mesh, texture=textures[0]) for mesh in moving.frames]
    return replace(moving, frames=frames, rest=replace(moving.rest, texture=textures[0]))


@torch.no_grad()
def _seen(mesh: Mesh, picture: Tensor, mask: Tensor, moving: MovingMesh) -> _Pixels:
    device = picture.device
    normals = vertex_normals(mesh.vertices, mesh.faces)
    assert mesh.uv is not None
    vertices, normal, uv = (torch.from_numpy(value).to(device) for value in (mesh.vertices, normals, mesh.uv))
    faces = torch.from_numpy(mesh.faces).long().to(device)
    view = orbit_views([0.0], [0.0], [moving.radius])[0].to(device)
    drawn = draw_triangles(vertices, faces, view, SIZE, SIZE, moving.fov_y)
    shown = (drawn.face >= 0) & (mask[0] > 0.99)
    corners, weights = faces[drawn.face[shown]], drawn.weights[shown][..., None]
    point, turned, place = ((value[corners] * weights).sum(1) for value in (vertices, normal, uv))
    camera = -view[:3, :3].mT @ view[:3, 3]
    good = torch.cosine_similarity(turned, camera - point, dim=-1) > FACING
    return _Pixels(place[good] * 2 - 1, picture.movedim(0, -1)[shown][good])


def _fit(texture: Tensor, seen: list[_Pixels], steps: int, begun: int, total: int, runtime: Runtime) -> Tensor:
    start = texture.to(runtime.device)
    logits = start.clamp(1e-3, 1 - 1e-3).logit().movedim(-1, 0)[None].contiguous().requires_grad_()
    place = torch.cat([pixels.place for pixels in seen])[None, None]
    color = torch.cat([pixels.color for pixels in seen])
    touched = torch.zeros_like(start[..., 0], dtype=torch.bool)
    optimizer = torch.optim.Adam([logits], lr=RATE)
    for step in range(steps if place.shape[2] else 0):
        sampled = F.grid_sample(logits.sigmoid(), place, mode="bilinear", padding_mode="border", align_corners=False)
        loss = (sampled[0, :, 0].mT - color).square().mean()
        loss.backward()
        assert logits.grad is not None
        touched |= (logits.grad[0] != 0).any(0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        runtime.progress(begun + step + 1, total, None)
        runtime.check_cancel()
    return torch.where(touched[..., None], logits.detach().sigmoid()[0].movedim(0, -1), start).cpu()
