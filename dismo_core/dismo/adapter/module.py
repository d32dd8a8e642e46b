"""The adapter as a module: its parameters, the base that it is attached to, weights from files (docs/methods/dismo.md, 2.3 and 7.3)."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ...cogvideox.base import CogVideoXBase, load_base, require_image_to_video
from ...cogvideox.geometry import BLOCK_LINEARS
from ...cogvideox.positions import PositionTables
from ...cogvideox.text import PromptEncoder
from ...errors import DisMoError
from ...imports import importing
from ...lora.conditional import NAME, ConditionalLoRA, MotionLoRA
from ...memory.plan import MemoryPlan
from ..models.extractor import MotionExtractor, fingerprint
from .adapter_file import EXTRACTOR, LORA, Source, check_adapter, read_adapter
from .conditions import ConditionEncoder

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger(__name__)


class AdapterModule(ConditionEncoder):
    """The parameters of the motion adapter, attached to a base model.

    Its state dict holds the adapter alone, under the released names: conditions (inherited), LoRA and extractor.
    The base lies outside. `MotionLoRA` modules in the base share A and B with it.

    Args:
        base: a diffusers folder, a hub id, or a loaded base.
        motion_extractor: frozen here. None = the large one, whose weights come with `load_adapter`.
        d_cond: width of a condition.
        rank: of the LoRA.
        alpha: of the LoRA.
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
    def large(cls, base: str | os.PathLike[str] | CogVideoXBase, dtype: torch.dtype = torch.bfloat16) -> Self:
        """The released geometry: 970,668,864 parameters, without memory as in `empty`."""
        return cls.empty(base, dtype=dtype)

    @classmethod
    def empty(
        cls,
        base: str | os.PathLike[str] | CogVideoXBase,
        motion_extractor: MotionExtractor | None = None,
        dtype: torch.dtype = torch.bfloat16,
        **geometry: Any,
    ) -> Self:
        """An adapter whose own parameters take no memory until `load_adapter` or `load_state_dict` brings them."""
        base = base if isinstance(base, CogVideoXBase) else load_base(base, dtype)
        adapter: Self = without_memory(lambda: cls(base, motion_extractor, dtype=dtype, **geometry))
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

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for part in (self.base.transformer, self.base.vae, self.base.text_encoder):
            if part is not None:
                part._apply(fn)  # the base follows to another device
        return self

    def set_conditions(
        self, conditions: Tensor | None, strength: float = 1.0, frame_strengths: Tensor | None = None
    ) -> None:
        """Let the base follow conditions, in every forward until the next call.

        Args:
            conditions: [videos,K,d_cond]; None = the bare base.
            strength: factor on the whole update.
            frame_strengths: [K], a further factor for each latent frame; they lie in the tables, so that a compiled model
                need not be compiled again for other values. None = 1 throughout.
        """
        text_gain = None
        if conditions is not None:
            conditions = conditions.to(self.init_gru_state.device)
        if frame_strengths is not None:
            frame_strengths = frame_strengths.to(self.init_gru_state.device, self.dtype)
            text_gain = frame_strengths.mean().to(self.device)
        for (lora, _, _), motion in zip(self._layers, self.motion_loras, strict=True):
            motion.gain = motion.shift = None
            motion.text_gain = text_gain
            if conditions is not None:
                tables = lora.tables(conditions)
                if frame_strengths is not None:
                    tables = (tables[0] * frame_strengths[:, None, None], tables[1] * frame_strengths[:, None, None])
                motion.gain, motion.shift = (table.to(self.device) for table in tables)
                motion.text_tokens = self.encode_prompts.max_tokens
                motion.strength = strength

    def set_acting(self, acting: bool) -> None:
        """Let the update act, or leave the base as it is for now: its conditions stay."""
        for motion in self.motion_loras:
            motion.acting = acting

    def _using(self, part: str) -> AbstractContextManager[object]:
        """The part, ready to run on `device`."""
        return nullcontext() if self.plan is None or part not in self.plan.parts else self.plan.using(part)

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
                        "This adapter file holds no motion extractor, and none was given.", hint="extractor"
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


def adapted_linears(transformer: nn.Module) -> dict[str, Any]:
    """The linears that carry a LoRA, by path; without the wrappers that PEFT may have put around them."""
    blocks = transformer.get_submodule("transformer_blocks").named_children()
    found = {f"transformer_blocks.{b}.{m}": block.get_submodule(m) for b, block in blocks for m in BLOCK_LINEARS}
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
    with importing("accelerate"):
        from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        return make()
