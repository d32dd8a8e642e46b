"""CogVideoX-5B-I2V that follows extracted motion (specs/dismo.md, section 6)."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from ..errors import DisMoError
from ..models.extractor import MotionExtractor, fingerprint
from ..models.inputs import check_frames, check_video
from ..motion import LOOK_AHEAD, Motion
from . import checks
from .base import CogVideoXBase, load_base, require_image_to_video
from .checkpoint import EXTRACTOR, LORA, Source, check_adapter, read_adapter
from .conditions import ConditionEncoder
from .lora import NAME, ConditionalLoRA, MotionLoRA
from .memory import MemoryPlan
from .objective import denoising_loss
from .picture import fit_picture
from .positions import Positions, PositionTables, require_positions
from .sampling import NEGATIVE_PROMPT, Guidance, Progress, sample_video
from .text import PromptEncoder

log = logging.getLogger(__name__)

TARGETS = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2")


class CogVideoXMotionAdapter(ConditionEncoder):
    """The motion adapter and the base model that it is attached to.

    Its state dict holds the adapter alone, under the released names: conditions (inherited), LoRA and extractor.
    The base lies outside. `MotionLoRA` modules in the base share A and B with it.

    Args:
        base: a diffusers folder, a hub id, or a loaded base.
        motion_extractor: frozen here. None = the large one, whose weights come with `load_adapter`.
        d_cond: width of a condition. rank, alpha: of the LoRA.
        dtype: of the LoRA, and of the base's activations.

    Attributes:
        plan: where the parts of the base (and, as "motion_extractor", the extractor) lie; None = where they are.
        sequential_guidance: run the two branches of the guidance in turn; a plan may also ask for it.

    Raises:
        DisMoError: a base that is not CogVideoX (1.0) image-to-video, or that carries an adapter already.
    """

    transformer: nn.Module

    def __init__(
        self,
        base: str | os.PathLike[str] | CogVideoXBase,
        motion_extractor: MotionExtractor | None = None,
        d_cond: int = 1024,
        rank: int = 128,
        alpha: float = 64,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        # Whoever calls, ComfyUI in inference mode too: weights made here can be trained later.
        with torch.inference_mode(False):
            if motion_extractor is None:
                motion_extractor = without_memory(MotionExtractor.large)
            super().__init__(motion_extractor.d_motion, d_cond)
            self.base = base if isinstance(base, CogVideoXBase) else load_base(base, dtype)
            require_image_to_video(self.base.transformer.config)
            self.dtype = dtype
            self.plan: MemoryPlan | None = None
            self.motion_extractor = motion_extractor.requires_grad_(False).eval()
            self.transformer = nn.Module()
            self._layers: list[tuple[ConditionalLoRA, nn.Module, RemovableHandle]] = []
            for path, linear in adapted_linears(self.base.transformer).items():
                lora = ConditionalLoRA(linear.in_features, linear.out_features, d_cond, rank, dtype)
                self._layers.append((lora, linear, lora.attach(linear, alpha / rank)))
                _insert(self.transformer, path, lora)
            self._positions = PositionTables(self.base.transformer.patch_embed, dtype)
            self.encode_prompts = PromptEncoder(self.base, dtype)
            self.sequential_guidance = False

    @classmethod
    def large(
        cls, base: str | os.PathLike[str] | CogVideoXBase, dtype: torch.dtype = torch.bfloat16
    ) -> CogVideoXMotionAdapter:
        """The released geometry: 970,668,864 parameters, without memory as in `empty`."""
        return cls.empty(base, dtype=dtype)

    @classmethod
    def empty(
        cls,
        base: str | os.PathLike[str] | CogVideoXBase,
        motion_extractor: MotionExtractor | None = None,
        dtype: torch.dtype = torch.bfloat16,
        **geometry: Any,
    ) -> CogVideoXMotionAdapter:
        """An adapter whose own parameters take no memory until `load_adapter` or `load_state_dict` brings them."""
        base = base if isinstance(base, CogVideoXBase) else load_base(base, dtype)
        adapter: CogVideoXMotionAdapter = without_memory(lambda: cls(base, motion_extractor, dtype=dtype, **geometry))
        return adapter

    @property
    def extractor_id(self) -> str:
        """Id of the extractor it follows."""
        return self.motion_extractor.extractor_id

    @property
    def device(self) -> torch.device:
        """Where the base runs."""
        device: torch.device = self.base.transformer.device if self.plan is None else self.plan.device
        return device

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the videos, px."""
        config = self.base.transformer.config
        factor = 2 ** (len(self.base.vae.config["block_out_channels"]) - 1)
        return config["sample_height"] * factor, config["sample_width"] * factor

    @property
    def motion_loras(self) -> list[MotionLoRA]:
        """The updates inside the base's linears."""
        return [getattr(linear, NAME) for _, linear, _ in self._layers]

    def set_exact(self, exact: bool) -> None:
        """Round as the reference does, or fuse operations (see `MotionLoRA`); fused suits compiled models."""
        for lora in self.motion_loras:
            lora.exact = exact

    def detach(self) -> None:
        """Leave the base as it was before."""
        for _, linear, hook in self._layers:
            hook.remove()
            delattr(linear, NAME)
        self._layers.clear()
        self._positions.remove()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> CogVideoXMotionAdapter:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for part in (self.base.transformer, self.base.vae, self.base.text_encoder):
            if part is not None:
                part._apply(fn)  # the base follows to another device
        return self

    # Weights

    def load_adapter(self, source: Source) -> None:
        """Load the released adapter, or one like it, strictly.

        Args:
            source: `cogvideox5b_i2v_large.pt`, its safetensors conversion, a folder with the conversion in parts, or a
                state dict. Without `motion_extractor.*` tensors the extractor given at construction stays.

        Raises:
            DisMoError: names, shapes or dtypes that do not fit, a damaged file, no extractor at all.
        """
        with torch.inference_mode(False):
            tensors = read_adapter(source)
            expected = self.state_dict()
            embedded = {k.removeprefix(EXTRACTOR): v for k, v in tensors.items() if k.startswith(EXTRACTOR)}
            if not embedded:
                if self.motion_extractor.query_tokens.is_meta:
                    raise DisMoError(
                        "This adapter file holds no motion extractor. Give one: motion_extractor=load_motion_extractor(...)."
                    )
                expected = {k: v for k, v in expected.items() if not k.startswith(EXTRACTOR)}
            check_adapter(expected, tensors, self.base.name)
            if embedded:
                self._take_extractor(embedded)
            own = {k: v for k, v in tensors.items() if not k.startswith(EXTRACTOR)}
            self.load_state_dict(own, strict=False, assign=True)  # what is missing is the extractor, as just checked

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in PyTorch. Where no memory was taken yet, the given tensors become the parameters."""
        current = {**dict(self.named_parameters())}
        empty = any(p.is_meta for p in current.values())

        def cast(name: str, value: Tensor) -> Tensor:
            p = current.get(name)
            if p is None:
                return value
            return value.to(value.device if p.is_meta else p.device, self.dtype if name.startswith(LORA) else p.dtype)

        if assign or empty:
            state_dict = {name: cast(name, value) for name, value in state_dict.items()}
        result = super().load_state_dict(state_dict, strict=strict, assign=assign or empty)
        if any(name.startswith(EXTRACTOR) for name in state_dict):
            self.motion_extractor._extractor_id = None
            self.motion_extractor.pin_id()
        return result

    def _take_extractor(self, tensors: dict[str, Tensor]) -> None:
        """Follow the embedded extractor; where the one given at construction is the same, keep that, to hold only one."""
        given = self.motion_extractor
        if not given.query_tokens.is_meta:
            state = given.state_dict()
            differ = [k for k, v in tensors.items() if not torch.equal(v.to(state[k].device, state[k].dtype), state[k])]
            if not differ:
                return
            log.warning(
                "The extractor in the adapter file (%s) differs from the one given (%s) in %d of %d tensors; "
                "the one in the adapter file is used.",
                fingerprint(tensors), given.extractor_id, len(differ), len(tensors),
            )  # fmt: skip
        # A new module, so that whoever holds the given one keeps it as it is.
        empty = {id(p): nn.Parameter(p.detach().to("meta"), requires_grad=False) for p in given.parameters()}
        self.motion_extractor = copy.deepcopy(given, empty)
        self.motion_extractor.load_state_dict(tensors, assign=True)
        self.motion_extractor.requires_grad_(False)
        self.motion_extractor._extractor_id = fingerprint(tensors)

    # Motion

    def encode_motion(
        self,
        motion_videos: Tensor | Sequence[Tensor] | None = None,
        motions: Tensor | Sequence[Motion | Tensor] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """One condition per latent frame; exactly one of the two arguments.

        Args:
            motion_videos: [B,T,H,W,3] or a list of [T,H,W,3], -1..1; resized to the extractor's size, whatever their aspect.
            motions: motions of this adapter's extractor, or their embeddings [B,T-4,d_motion], float32.
            progress: of the extraction, (windows done, windows in all) per video.

        Returns:
            [B,K,d_cond], K = (T-1)/4 + 1, in the adapter's dtype.

        Raises:
            DisMoError: neither or both, wrong shape, range, length or extractor, or no weights loaded.
        """
        if (motion_videos is None) == (motions is None):
            raise DisMoError(
                f"Give exactly one of motion_videos and motions, not {'none' if motions is None else 'both'}: the adapter "
                "needs a motion to follow."
            )
        if self.init_gru_state.is_meta:
            raise DisMoError("The adapter has no weights yet. Call load_adapter with its file first.")
        if motions is not None:
            embeddings = [self._embeddings(motion) for motion in _listed(motions, rank=2)]
        else:
            embeddings = [self._extract(video, progress) for video in _listed(motion_videos, rank=4)]
        frames = [len(e) + LOOK_AHEAD for e in embeddings]
        if len(set(frames)) > 1:
            raise DisMoError(
                f"The motions have different lengths ({frames} frames). Extract the same number of frames."
            )
        checks.require_length(frames[0], self.base.transformer.config["sample_frames"])
        conditions: Tensor = self(torch.stack(embeddings).to(self.init_gru_state))
        return conditions.to(self.dtype)

    def _embeddings(self, motion: Motion | Tensor) -> Tensor:
        if isinstance(motion, Motion):
            motion.require_extractor(self.extractor_id)
            motion = motion.embeddings
        checks.require_embeddings(motion, self.motion_extractor.d_motion)
        return motion

    @torch.no_grad()
    def _extract(self, video: Tensor, progress: Callable[[int, int], None] | None = None) -> Tensor:
        """[T,H,W,3] -> [T-4,d_motion]."""
        extractor = self.motion_extractor
        check_video(video[None], "motion video")
        with self._using("motion_extractor"):
            x = video.to(extractor.query_tokens.device, torch.float32).movedim(-1, 1)
            x = F.interpolate(x, size=extractor.size, mode="bilinear", antialias=True, align_corners=False)
            return extractor.forward_sliding(x.movedim(1, -1).clamp(-1, 1)[None], progress=progress)[0]

    def set_conditions(self, conditions: Tensor | None, strength: float = 1.0) -> None:
        """Let the base follow conditions [videos,K,d_cond], in every forward until the next call; None = the bare base."""
        if conditions is not None:
            conditions = conditions.to(self.init_gru_state.device)
        for (lora, _, _), motion in zip(self._layers, self.motion_loras, strict=True):
            motion.gain = motion.shift = None
            if conditions is not None:
                motion.gain, motion.shift = (table.to(self.device) for table in lora.tables(conditions))
                motion.text_tokens = self.encode_prompts.max_tokens
                motion.strength = strength

    def _using(self, part: str) -> AbstractContextManager[object]:
        """The part, ready to run on `device`."""
        return nullcontext() if self.plan is None or part not in self.plan.parts else self.plan.using(part)

    # Sampling

    @torch.inference_mode(False)
    @torch.no_grad()
    def sample(
        self,
        motion_videos: Tensor | Sequence[Tensor] | None = None,
        motions: Tensor | Sequence[Motion | Tensor] | None = None,
        images: Tensor | Sequence[Tensor] | None = None,
        prompts: str | Sequence[str] | None = None,
        num_frames: int = checks.TRAINED_FRAMES,
        n_steps: int = 50,
        text_guidance_scale: float = 6.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        negative_prompt: str | None = None,
        positions: Positions = "auto",
        strength: float = 1.0,
        progress: Progress | None = None,
    ) -> Tensor:
        """Videos that begin with the pictures and move as the motions do.

        Args:
            motion_videos, motions: what to follow, see `encode_motion`; of `num_frames` frames.
            images: [B,H,W,3] or a list of [H,W,3], -1..1; cropped and resized to the base's size.
            prompts: one per sample. None = no text, and a guidance of 1.
            num_frames: 9, 17, ..., 49; trained at 25.
            n_steps: of the solver; divisors of 1000 are exact.
            text_guidance_scale: at most 1 = none.
            generator: one for all samples in turn, or one each; the numbers depend on its device.
            negative_prompt: None = the authors' default.
            positions: additive table of the base, see `PositionTables`.
            strength: factor on the adapter's update; 1 = as trained, 0 = the bare base.
            progress: called after each step with (steps done, steps of all samples, clean latents as guessed so far [1,K,C,h,w]).

        Returns:
            uint8 [B,T,H,W,3] on the CPU.

        Raises:
            DisMoError: input that does not fit, or NaN in the result.
        """
        checks.require_length(num_frames, self.base.transformer.config["sample_frames"])
        checks.require_steps(n_steps)
        require_positions(positions)
        if images is None:
            raise DisMoError("There is no picture to begin with. Give images, [batch, height, width, 3] in -1..1.")
        pictures = _listed(images, rank=3)
        for picture in pictures:
            check_frames(picture[None], "images")
        if prompts is None:
            prompts, text_guidance_scale = [""] * len(pictures), 1.0
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        conditions = self.encode_motion(motion_videos, motions)
        checks.require_motion_length((conditions.shape[1] - 1) * 4 + 1, num_frames)
        checks.warn_of_length(num_frames)
        checks.require_same_count(motions=len(conditions), images=len(pictures), prompts=len(prompts))
        generators = checks.one_generator_each(generator, len(pictures))

        device = self.device
        guided = text_guidance_scale > 1
        negatives = [NEGATIVE_PROMPT if negative_prompt is None else negative_prompt] if guided else []
        texts = self.encode_prompts([*prompts, *negatives], device, self._using).split(1)
        frugal = frozenset() if self.plan is None else self.plan.choice.frugal
        if "vae" in frugal:
            self.base.vae.enable_tiling()
        one_by_one = self.sequential_guidance or "transformer" in frugal
        self._positions.mode = positions
        videos = []
        try:
            for i, picture in enumerate(pictures):
                self.set_conditions(conditions[i : i + 1], strength)
                guidance = Guidance(texts[i], texts[-1] if guided else None, text_guidance_scale, one_by_one)
                first = fit_picture(picture, self.size).to(device, self.dtype)

                def step(done: int, steps: int, latents: Tensor, before: int = i * n_steps) -> None:
                    if progress is not None:
                        progress(before + done, len(pictures) * steps, latents)

                videos.append(
                    sample_video(self.base, first, num_frames, guidance, n_steps, generators[i], step, self._using)
                )
        finally:
            self.set_conditions(None)
        return torch.stack(videos)

    # Training

    def training_loss(
        self,
        videos: Tensor | Sequence[Tensor],
        prompts: str | Sequence[str] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Loss of each video, [B]: the base is to denoise it, given its first frame and its own motion (specs/dismo.md, 6.7).

        The conditions stay set afterwards, because gradient checkpointing needs them in the backward pass.

        Args:
            videos: [B,T,H,W,3] or a list of [T,H,W,3], -1..1, of the base's size; T = 25 as the released adapter.
            prompts: one per video; None = no captions.
            generator: draws noise and times.

        Raises:
            DisMoError: wrong shape, range, size, length or count.
        """
        clips = _listed(videos, rank=4)
        for clip in clips:
            check_video(clip[None])
            checks.require_size(clip, self.size)
        prompts = [""] * len(clips) if prompts is None else [prompts] if isinstance(prompts, str) else list(prompts)
        checks.require_same_count(videos=len(clips), prompts=len(prompts))
        with torch.no_grad():
            text = self.encode_prompts(prompts, self.device, self._using)
        self._positions.mode = "auto"
        self.set_conditions(self.encode_motion(motion_videos=clips))
        batch = torch.stack([clip.to(self.device, self.dtype) for clip in clips])
        return denoising_loss(self.base, batch, text, generator)


def adapted_linears(transformer: nn.Module) -> dict[str, Any]:
    """The linears that carry a LoRA, by path; without the wrappers that PEFT may have put around them."""
    blocks = transformer.get_submodule("transformer_blocks").named_children()
    found = {f"transformer_blocks.{b}.{m}": block.get_submodule(m) for b, block in blocks for m in TARGETS}
    return {path: getattr(module, "base_layer", module) for path, module in found.items()}


def _insert(root: nn.Module, path: str, leaf: nn.Module) -> None:
    """Put `leaf` below `root` at a dotted path."""
    *parents, name = path.split(".")
    for parent in parents:
        if not hasattr(root, parent):
            root.add_module(parent, nn.Module())
        root = root.get_submodule(parent)
    root.add_module(name, leaf)


def without_memory(make: Callable[[], Any]) -> Any:
    """A module whose parameters have shapes only."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        return make()


def _listed(samples: Any, rank: int) -> list[Any]:
    """The samples of a batch or list; a lone tensor of a sample's rank, or a lone motion, is one sample."""
    alone = isinstance(samples, Motion) or (isinstance(samples, Tensor) and samples.ndim == rank)
    return [samples] if alone else list(samples)
