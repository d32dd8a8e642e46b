"""A sharper texture from the clip: colors, and if asked the surface, are fitted to the frames and to what Stable Video Diffusion
makes of other sides (docs/methods/gaussians4d.md, 7.8)."""

from __future__ import annotations

from collections.abc import Callable
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
from .textured import FACING, Places, Surface, draw_textured, texture_places

OPAQUE = 0.99  # of the mask, from which a pixel of the clip is compared
SCALES = (0.125, 2.0)  # of the compared size, between which a mesh of one frame is drawn
SIDE = 512  # px, of the pictures of other sides
GEOMETRY_RATE = 1e-4  # of the vertices, as published, where they are fitted
TURN = 10.0  # degrees a frame of the clip of other sides
WINDOW = 8  # frames of it that are redrawn together where memory is short
# (frames, first picture, noise, cancel) -> the frames drawn again; see `svd.Redrawing`
Redraw = Callable[[Tensor, Tensor, torch.Generator, Callable[[], None]], Tensor]


@dataclass(frozen=True)
class RefineSettings:
    """A refinement; the defaults are the published ones.

    Args:
        steps: of the fit.
        size: px, at which frames are compared. A mesh of its own for each frame is drawn at a random size from an eighth to twice
            of that in every step, as published; one that moves is drawn at that size.
        texture_rate: of the logits of the colors.
        geometry_rate: of the vertices; 0 leaves them where they are.
        weight: of the other sides in the loss.
        window: whether only some frames at a time are redrawn, for less memory.
        elevation: of the known view, degrees.
        seed: of the noise and of the sides.
    """

    steps: int = 50
    size: int = 256
    texture_rate: float = 0.2
    geometry_rate: float = 0.0
    weight: float = 1.0
    window: bool = False
    elevation: float = 0.0
    seed: int = 0


def refine_texture(
    moving: MovingMesh,
    clip: Clip4D,
    settings: RefineSettings | None = None,
    *,
    redraw: Redraw | None = None,
    runtime: Runtime | None = None,
) -> MovingMesh:
    """Fit the colors of a mesh to the frames of its clip, as the known view shows them, and to redrawn pictures of other sides.

    What nothing shows keeps its color. Meshes of one texture are fitted to all frames together.

    Args:
        moving: with texture coordinates and textures.
        clip: of as many frames.
        settings: of the fit.
        redraw: the judge of other sides, such as `svd.Redrawing`; None leaves them out.
        runtime: device, progress and cancel.

    Raises:
        DisMoError: a clip of another length, no texture, or a surface that no frame shows.
    """
    settings, runtime = settings or RefineSettings(), runtime or Runtime.cpu()
    if len(moving.frames) != len(clip.rgba):
        raise DisMoError(
            f"The mesh has {len(moving.frames)} frames, the clip {len(clip.rgba)}. Give the clip that the model was fitted to."
        )
    if not 1 <= settings.steps <= 100_000:
        raise DisMoError(f"steps must be 1 to 100000, not {settings.steps}.")
    if any(mesh.texture is None or mesh.uv is None for mesh in moving.frames):
        raise DisMoError("The mesh has no texture that could be refined. Extract it again.")
    fit = _Fit(moving, clip, settings, redraw, runtime)
    for step in range(settings.steps):
        fit.step()
        runtime.progress(step + 1, settings.steps, None)
        runtime.check_cancel()
    return fit.result()


class _Fit:
    """Textures, and offsets of vertices, of meshes that share them (`rest` is given) or each have their own."""

    def __init__(
        self, moving: MovingMesh, clip: Clip4D, settings: RefineSettings, redraw: Redraw | None, runtime: Runtime
    ) -> None:
        self.moving, self.settings, self.redraw, self.runtime = moving, settings, redraw, runtime
        device = runtime.device
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.surfaces = [Surface.of(mesh, device) for mesh in moving.frames]
        own = moving.frames if moving.rest is None else moving.frames[:1]
        self.start = [_texture(mesh).to(device) for mesh in own]
        self.logits = [x.clamp(1e-3, 1 - 1e-3).logit().contiguous().requires_grad_() for x in self.start]
        self.touched = [torch.zeros_like(x[0], dtype=torch.bool) for x in self.start]
        groups = [{"params": self.logits, "lr": settings.texture_rate}]
        self.offsets = [torch.zeros_like(surface.vertices) for surface in self.surfaces[: len(own)]]
        if settings.geometry_rate:
            groups.append({"params": [x.requires_grad_() for x in self.offsets], "lr": settings.geometry_rate})
        self.optimizer = torch.optim.Adam(groups)
        rgb, mask = (value.to(device) for value in clip.frames(settings.size))
        self.pictures, self.opaque = rgb, mask[:, 0] > OPAQUE
        self.first = clip.frames(SIDE)[0][0].to(device) if redraw is not None else None
        self.known = self._known(settings.size)
        if not any(
            self._compared(texture, number)[1].any() for number, texture in enumerate(self._of_frames(self.start))
        ):
            raise DisMoError(
                "No frame of the clip shows the surface of this mesh. Give the clip and the radius that the model was fitted with."
            )

    def step(self) -> None:
        textures = [x.sigmoid() for x in self.logits]
        loss = self._of_known_view(textures)
        if self.redraw is not None:
            loss = loss + self.settings.weight * self._of_other_sides(textures, self.redraw)
        loss.backward()
        for logits, touched in zip(self.logits, self.touched, strict=True):
            if logits.grad is not None:  # of a frame that nothing shows there is none
                touched |= (logits.grad != 0).any(0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _of_known_view(self, textures: list[Tensor]) -> Tensor:
        """Mean squared difference of all pixels that the known view shows."""
        if self.moving.rest is None:
            low, high = SCALES
            scale = low + (high - low) * float(torch.rand((), generator=self.generator))
            self.known = self._known(round(scale * self.settings.size))
        elif self.settings.geometry_rate:
            self.known = self._known(self.settings.size)
        squares, total = [], 0
        for number, texture in enumerate(self._of_frames(textures)):
            shown, counted = self._compared(texture, number)
            squares.append((shown - self.pictures[number])[:, counted].square().sum())
            total += int(counted.sum())
        return torch.stack(squares).sum() / (3 * max(total, 1))

    def _compared(self, texture: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """A frame as the known view sees it [3,S,S], and the pixels [S,S] of the clip's subject that see the surface well."""
        places = self.known[number]
        well = places.shown.to(texture)
        well[places.shown] = (places.facing > FACING).to(texture)
        drawn = torch.cat((draw_textured(texture, places), well[None]))
        size = (self.settings.size, self.settings.size)
        resized = F.interpolate(drawn[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
        return resized[:3], (resized[3] > OPAQUE) & self.opaque[number]

    def _of_other_sides(self, textures: list[Tensor], redraw: Redraw) -> Tensor:
        """Mean squared difference of a clip that turns, from anywhere, and what it is redrawn as."""
        assert self.first is not None
        count = len(self.surfaces)
        begin, length = 0, count
        if self.settings.window and count > WINDOW:
            begin, length = self._drawn(count - WINDOW + 1), WINDOW
        turn = self._drawn(360)
        drawn = []
        for number in range(begin, begin + length):
            view = self._view(turn + TURN * number, 0.0)
            places = texture_places(self._surface(number), view, SIDE, self.moving.fov_y)
            drawn.append(draw_textured(self._of_frames(textures)[number], places))
        shown = torch.stack(drawn)
        wanted = redraw(shown.detach(), self.first, self.generator, self.runtime.check_cancel)
        return (shown - wanted).square().mean()

    def _known(self, size: int) -> list[Places]:
        """Where the known view, drawn at a size, sees each frame's surface."""
        view = self._view(0.0, self.settings.elevation)
        return [
            texture_places(self._surface(number), view, size, self.moving.fov_y) for number in range(len(self.surfaces))
        ]

    def _of_frames(self, textures: list[Tensor]) -> list[Tensor]:
        """The texture of each frame."""
        return textures if len(textures) == len(self.surfaces) else textures * len(self.surfaces)

    def _surface(self, number: int) -> Surface:
        surface = self.surfaces[number]
        return surface._replace(vertices=surface.vertices + self.offsets[min(number, len(self.offsets) - 1)])

    def _view(self, azimuth: float, elevation: float) -> Tensor:
        return orbit_views([elevation], [azimuth], [self.moving.radius])[0].to(self.pictures)

    def _drawn(self, below: int) -> int:
        return int(torch.randint(below, (), generator=self.generator))

    def result(self) -> MovingMesh:
        """The meshes with what was fitted; each offset is added once."""
        textures = [
            torch.where(touched, logits.detach().sigmoid(), start).movedim(0, -1).contiguous().cpu().numpy()
            for touched, logits, start in zip(self.touched, self.logits, self.start, strict=True)
        ]
        offsets = [x.detach().cpu().numpy() for x in self.offsets]

        def refined(mesh: Mesh, number: int) -> Mesh:
            mesh = replace(mesh, texture=textures[min(number, len(textures) - 1)])
            if not self.settings.geometry_rate:
                return mesh
            vertices = mesh.vertices + offsets[min(number, len(offsets) - 1)]
            return replace(mesh, vertices=vertices, normals=vertex_normals(vertices, mesh.faces))

        frames = [refined(mesh, number) for number, mesh in enumerate(self.moving.frames)]
        rest = None if self.moving.rest is None else refined(self.moving.rest, 0)
        return replace(self.moving, frames=frames, rest=rest)


def _texture(mesh: Mesh) -> Tensor:
    assert mesh.texture is not None
    return torch.from_numpy(mesh.texture).movedim(-1, 0)
