"""The motion extractor: eight frames in, one small vector of motion for each frame but the last four (docs/methods/dismo.md, 4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import DisMoError
from .dino import FrameEncoder
from .inputs import check_video
from .layers import FeedForward, RMSNorm
from .rotary import AxialRotary3D, RotaryTable, clip_positions
from .transformer import TransformerLayer

# Frames and windows that run at a time. A CPU gains nothing from more, and its cache holds one window.
FRAMES, FRAMES_CPU = 16, 8
WINDOWS, WINDOWS_CPU = 8, 1


class MotionExtractor(nn.Module):
    """DisMo's motion extractor.

    Args:
        width: token width.
        depth: layers.
        d_head: head width, a multiple of 8.
        d_motion: width of an embedding.
        max_delta_time: frames that an embedding looks ahead.
        train_resolution: (frames of a window, height, width) it was trained at.
        frame_encoder: arguments of `FrameEncoder`.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        d_head: int,
        d_motion: int,
        max_delta_time: int = 4,
        train_resolution: tuple[int, int, int] = (8, 256, 256),
        frame_encoder: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        frame_encoder = frame_encoder or DINO_LARGE
        self.geometry: dict[str, Any] = dict(  # what it was made with: trained weights carry it in their file
            width=width,
            depth=depth,
            d_head=d_head,
            d_motion=d_motion,
            max_delta_time=max_delta_time,
            train_resolution=train_resolution,
            frame_encoder=frame_encoder,
        )
        self.window, *size = train_resolution
        self.size: tuple[int, int] = (size[0], size[1])
        self.look_ahead = max_delta_time
        self.d_motion = d_motion
        self.frame_encoder = FrameEncoder(**frame_encoder)
        self.proj = nn.Linear(self.frame_encoder.embed_dim, width, bias=False)
        self.query_tokens = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_emb = AxialRotary3D(width // d_head, d_head)
        self.layers = nn.ModuleList(TransformerLayer(width, d_head) for _ in range(depth))
        self.head = nn.Sequential(
            RMSNorm(width), FeedForward(width), FeedForward(width, d_motion, hidden=3 * width), RMSNorm(d_motion)
        )
        self._extractor_id: str | None = None

    @classmethod
    def large(cls) -> MotionExtractor:
        """The released geometry: 594,349,888 parameters."""
        return cls(width=1024, depth=20, d_head=64, d_motion=128, frame_encoder=DINO_LARGE)

    @classmethod
    def tiny(cls) -> MotionExtractor:
        """The geometry of the bundled weights, for a CPU."""
        return cls(**TINY)

    @property
    def extractor_id(self) -> str:
        """First 16 hex digits of a sha256 over three small tensors as little-endian float32; the loader pins it before any cast."""
        if self._extractor_id is None:
            return fingerprint({name: p.detach() for name, p in self.named_parameters()})
        return self._extractor_id

    def pin_id(self) -> None:
        """Keep today's id, also through a later cast to lower precision."""
        self._extractor_id = self.extractor_id

    def encode(self, x: Tensor) -> Tensor:
        """Frames [B,T,H,W,3] in -1..1 -> tokens [B, T, side^2, width]."""
        batch, frames = x.shape[:2]
        tokens: Tensor = self.proj(self.frame_encoder(x.flatten(0, 1))).unflatten(0, (batch, frames))
        return tokens

    def window_table(self, frames: int) -> RotaryTable:
        """Rotary table of a window: a query at (t, 0, 0) for each embedding, then the cells of its frames."""
        count, side, device = frames - self.look_ahead, self.frame_encoder.side, self.query_tokens.device
        queries = torch.zeros(count, 3, device=device)
        queries[:, 0] = torch.arange(count, device=device)
        table: RotaryTable = self.pos_emb(torch.cat((queries, clip_positions(frames, side, side, device))))
        return table

    def motion(self, tokens: Tensor, table: RotaryTable | None = None) -> Tensor:
        """Embeddings of one window.

        Args:
            tokens: [B, T, side^2, width].
            table: `window_table(T)`, where it is at hand.

        Returns:
            [B, T - look-ahead, d_motion].
        """
        batch, frames = tokens.shape[:2]
        count = frames - self.look_ahead
        table = table or self.window_table(frames)
        x = torch.cat((self.query_tokens.expand(batch, count, -1), tokens.flatten(1, 2)), dim=1)
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            x = layer(x, table, keep=count if index == last else None)  # only the queries are read
        out: Tensor = self.head(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """One window, as trained.

        Args:
            x: [B,T,H,W,3], float, -1..1, 5 <= T <= 8.

        Returns:
            [B, T-4, d_motion].

        Raises:
            DisMoError: wrong shape, range or length.
        """
        check_video(x)
        self._check_length(x.shape[1])
        if x.shape[1] > self.window:
            raise DisMoError(
                f"forward takes one window of {self.look_ahead + 1} to {self.window} frames, not {x.shape[1]}: the model never "
                "saw longer ones. Use forward_sliding for longer clips."
            )
        return self.motion(self.encode(x))

    def forward_sliding(
        self,
        x: Tensor,
        window_stride: int = 1,
        chunk_windows: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """A clip of any length; memory beyond the clip does not grow with it (docs/methods/dismo.md, 4.2 and 4.5).

        Args:
            x: [B,T,H,W,3], float, -1..1, T >= 5.
            window_stride: 1 = as published: every window adds its last embedding; 4 = windows side by side, all
                embeddings kept: faster, and not what the CogVideoX adapter was trained on.
            chunk_windows: windows that run at a time; None = 8, and 1 on a CPU, whose cache holds no more.
            progress: called with (windows done, windows in all); may raise to cancel.

        Returns:
            [B, T-4, d_motion].

        Raises:
            DisMoError: wrong shape, range, length or stride.
        """
        check_video(x)
        self._check_length(x.shape[1])
        chunk_windows = self._windows_at_once(window_stride, chunk_windows)
        total = len(range(0, x.shape[1] - self.window, window_stride)) + 1
        pieces: list[Tensor] = []
        for done, found in self.stream(x.split(self.frames_at_once, dim=1), window_stride, chunk_windows):
            pieces.append(found)
            if progress is not None:
                progress(done, total)
        return torch.cat(pieces, dim=1)

    def stream(
        self, clip: Iterable[Tensor], window_stride: int = 1, chunk_windows: int | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """`forward_sliding` of a clip that comes piece by piece; of its tokens only those still needed are held.

        Args:
            clip: pieces [B,n,H,W,3] that follow each other, at least 5 frames in all; -1..1, which is not checked.
            window_stride: as in `forward_sliding`.
            chunk_windows: as in `forward_sliding`.

        Yields:
            Windows done so far, and the next embeddings [B,m,d_motion].

        Raises:
            DisMoError: wrong stride, or too few frames.
        """
        chunk = self._windows_at_once(window_stride, chunk_windows)
        table = self.window_table(self.window)
        held, first, frames = None, 0, 0  # tokens of the frames from `first` on, of `frames` so far
        start = have = done = 0  # of the next window; embeddings and windows so far

        def run(starts: list[int]) -> tuple[int, Tensor]:
            nonlocal have, done
            assert held is not None
            views = [held[:, s - first : s - first + self.window] for s in starts]
            windows = torch.cat(views) if len(views) > 1 else views[0]
            kept = []
            for s, found in zip(starts, self.motion(windows, table).unflatten(0, (len(starts), -1)), strict=True):
                kept.append(found[:, have - s :])  # of each window what no earlier one has given
                have = s + found.shape[1]
            done += len(starts)
            return done, torch.cat(kept, dim=1)

        for piece in clip:
            tokens = self.encode(piece)
            needed = max(0, min(start, frames - self.window))  # the last window may be any from here on
            held = tokens if held is None else torch.cat((held[:, needed - first :], tokens), dim=1)
            first, frames = needed, frames + piece.shape[1]
            while start + (chunk - 1) * window_stride + self.window <= frames:
                yield run([start + i * window_stride for i in range(chunk)])
                start += chunk * window_stride
        self._check_length(frames)
        assert held is not None
        if frames < self.window:
            yield 1, self.motion(held)
            return
        rest = list(range(start, frames - self.window, window_stride))
        if have < frames - self.look_ahead:
            rest.append(frames - self.window)
        for i in range(0, len(rest), chunk):
            yield run(rest[i : i + chunk])

    @property
    def frames_at_once(self) -> int:
        """Length of the pieces of a clip that suit the device."""
        return FRAMES_CPU if self.query_tokens.device.type == "cpu" else FRAMES

    def _windows_at_once(self, window_stride: int, chunk_windows: int | None) -> int:
        if window_stride not in (1, self.window - self.look_ahead):
            raise DisMoError(f"window_stride must be 1 or {self.window - self.look_ahead}, not {window_stride}.")
        if chunk_windows is None:
            return WINDOWS_CPU if self.query_tokens.device.type == "cpu" else WINDOWS
        if chunk_windows < 1:
            raise DisMoError(f"chunk_windows must be at least 1, not {chunk_windows}.")
        return chunk_windows

    def _check_length(self, frames: int) -> None:
        if frames <= self.look_ahead:
            raise DisMoError(
                f"The video has {frames} frames; motion extraction needs at least {self.look_ahead + 1}, because an embedding "
                f"looks {self.look_ahead} frames ahead. Use a longer clip or a higher sampling rate."
            )


DINO_LARGE = dict(embed_dim=1024, depth=24, num_heads=16, image_size=224)
TINY: dict[str, Any] = dict(
    width=256,
    depth=4,
    d_head=32,
    d_motion=32,
    train_resolution=(8, 64, 64),
    frame_encoder=dict(embed_dim=128, depth=1, num_heads=4, image_size=112),
)


def fingerprint(tensors: dict[str, Tensor]) -> str:
    """Extractor id from the values of an extractor's state dict, taken as float32."""
    digest = hashlib.sha256()
    for name in ("query_tokens", "proj.weight", "head.3.scale"):
        digest.update(tensors[name].float().cpu().contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()[:16]
