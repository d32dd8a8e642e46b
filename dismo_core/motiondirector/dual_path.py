"""The two adapters on a UNet: appearance on the spatial transformers, motion on the temporal ones (docs/methods/motiondirector.md, 2)."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import DisMoError
from ..lora.updates import LowRankPair, Setting, attach, detach
from ..weights.files import differences
from .layers import PARTS, Part, has_convolutions, path_layers, require_part

if TYPE_CHECKING:
    from .adapter_file import AdapterFile

LARGEST_RANK = 4096


class DualPathLoRA(nn.Module):
    """Freezes a UNet and puts low-rank updates into its layers, in place. New ones change nothing: U is zero.

    Scales are 1 at first: `set_scales`. The module holds the matrices alone; they lie in the UNet's layers, too, and move with it.

    Args:
        unet: diffusers' UNet3DConditionModel, also on the meta device or stored in fewer bits.
        rank: of the updates; smaller on layers with a smaller side.
        appearances: how many appearance adapters, one a clip in training; 0 = none.
        motion: whether there is a motion adapter.
        dropout: share of the updates' numbers that are dropped in training.
        convolutions: whether the motion adapter also sits on the convolutions over frames, see `path_layers`.

    Attributes:
        appearances: N.
        has_motion: whether there is a motion adapter.
        scales: of each appearance adapter, and of the motion adapter where there is one.

    Raises:
        DisMoError: a number that cannot be, a UNet of another kind, or one that carries adapters already.
    """

    def __init__(
        self,
        unet: nn.Module,
        *,
        rank: int = 32,
        appearances: int = 1,
        motion: bool = True,
        dropout: float = 0.0,
        convolutions: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= rank <= LARGEST_RANK:
            raise DisMoError(f"The rank must be 1 to {LARGEST_RANK}, not {rank}. Usual are 4 to 64.")
        if appearances < 0 or not (appearances or motion):
            raise DisMoError(f"There must be a motion adapter or at least one appearance adapter, not {appearances}.")
        if not 0 <= dropout < 1:
            raise DisMoError(f"dropout is a share from 0 to below 1, not {dropout:g}.")
        self.appearances = appearances
        self.has_motion = motion
        self._unet = (unet,)  # not a child: its weights are not this module's
        self._layers = {part: path_layers(unet, part, convolutions) for part in PARTS}
        self._settings = {"appearance": [Setting() for _ in range(appearances)], "motion": [Setting()][: int(motion)]}
        self._trained = [(p, p.requires_grad) for p in unet.parameters()]
        self._pairs: dict[str, list[list[LowRankPair]]] = {}
        for part, settings in self._settings.items():
            layers: list[Any] = [unet.get_submodule(name) for name in self._layers[part]]
            self._pairs[part] = [[LowRankPair(layer, rank, dropout, s) for layer in layers] for s in settings]
            self.add_module(part, nn.ModuleList(_tree(self._layers[part], pairs) for pairs in self._pairs[part]))
        taken: list[nn.Module] = []
        try:
            for part, adapters in self._pairs.items():
                for name, *pairs in zip(self._layers[part], *adapters, strict=False) if adapters else ():
                    attach(unet.get_submodule(name), pairs)
                    taken.append(unet.get_submodule(name))
        except DisMoError:
            for layer in taken:
                detach(layer)
            raise
        for p, _ in self._trained:
            p.requires_grad_(False)

    @classmethod
    def from_files(
        cls,
        unet: nn.Module,
        *,
        appearance: str | os.PathLike[str] | None = None,
        motion: str | os.PathLike[str] | None = None,
    ) -> DualPathLoRA:
        """The adapters of files; rank and number come from them.

        Args:
            unet: see the class.
            appearance: file of appearance adapters, or a folder that `find_adapter` knows; None = none.
            motion: file of a motion adapter, likewise.

        Raises:
            DisMoError: no file, a file of the other part or of another base, a damaged one, NaN.
        """
        from .adapter_file import find_adapter, read_adapter

        given: dict[Part, str | os.PathLike[str] | None] = {"appearance": appearance, "motion": motion}
        return cls.from_adapters(
            unet,
            [read_adapter(find_adapter(place, part), unet, part) for part, place in given.items() if place is not None],
        )

    @classmethod
    def from_adapters(cls, unet: nn.Module, files: Sequence[AdapterFile]) -> DualPathLoRA:
        """Adapters that were read, one of each part at most; rank and number come from them.

        Args:
            unet: see the class.
            files: see `read_adapter`.

        Raises:
            DisMoError: none, two of a part, or one of another base.
        """
        from .adapter_file import for_base

        parts = {file.part: for_base(file, unet) for file in files}
        if not files:
            raise DisMoError("Name a file of an appearance adapter, of a motion adapter, or one of each.")
        if len(parts) < len(files):
            raise DisMoError(f"Both are of the {files[0].part}: give one of each part. Two of a part are merged first.")
        count = parts["appearance"].count if "appearance" in parts else 0
        convolutions = any(has_convolutions(file.layers) for file in files)
        lora = cls(unet, rank=1, appearances=count, motion="motion" in parts, convolutions=convolutions)
        for part, file in parts.items():
            lora.load_tensors(part, file.tensors)
        return lora.eval()

    @property
    def unet(self) -> nn.Module:
        """That carries the adapters."""
        return self._unet[0]

    @property
    def scales(self) -> dict[str, tuple[float, ...]]:
        """Part -> factor of each of its adapters."""
        return {part: tuple(setting.scale for setting in settings) for part, settings in self._settings.items()}

    @property
    def rank(self) -> int:
        """The largest of all updates."""
        return max(pair.lora_up.weight.shape[1] for part in self._pairs.values() for pairs in part for pair in pairs)

    def layers(self, part: str) -> list[str]:
        """Names of the wrapped layers, in the order of the files. part: "appearance" or "motion"."""
        require_part(part)
        return list(self._layers[part]) if self._pairs[part] else []

    def parameters_of(self, part: str, index: int = 0) -> list[nn.Parameter]:
        """U and D of every layer, in the order of the files.

        Args:
            part: "appearance" or "motion".
            index: of the appearance adapter.
        """
        require_part(part)
        if not 0 <= index < len(self._pairs[part]):
            raise DisMoError(
                f"There are {len(self._pairs[part])} {part} adapters, counted from 0; there is no {index}."
            )
        halves: Any = [(pair.lora_up.weight, pair.lora_down.weight) for pair in self._pairs[part][index]]
        return [half for pair in halves for half in pair]

    def tensors(self, part: str) -> list[Tensor]:
        """The published list: for each layer U and D of the first adapter, of the second, and so on; float32 on the CPU."""
        adapters = [self.parameters_of(part, k) for k in range(len(self._pairs[part]))]
        count = len(self._layers[part])
        halves = [half for i in range(count) for held in adapters for half in held[2 * i : 2 * i + 2]]
        return [half.detach() if half.is_meta else half.detach().to("cpu", torch.float32) for half in halves]

    def load_tensors(self, part: str, tensors: Sequence[Tensor]) -> None:
        """Put the matrices of a published list in the place of these, whatever their rank.

        Args:
            part: "appearance" or "motion".
            tensors: as `tensors` gives them.

        Raises:
            DisMoError: another number of them, a shape that does not fit its layer (the first is named), or NaN.
        """
        from .adapter_file import check_list

        adapters = self._pairs[part] if part in PARTS else []
        names = self._layers[part] if part in PARTS else None
        found = check_list(tensors, self.unet, part, f"The list of {len(tensors)} tensors", names)
        if found != len(adapters):
            raise DisMoError(f"The list holds {found} {part} adapters, and there are {len(adapters)} to fill.")
        halves = iter(tensors)
        for i in range(len(self._layers[part])):
            for pairs in adapters:
                pairs[i].replace(next(halves), next(halves))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """See torch; strict always.

        Raises:
            DisMoError: other names or shapes.
        """
        if problem := differences(self.state_dict(), dict(state_dict)):
            raise DisMoError(
                f"These weights are not of this adapter. {problem}. Make one of their rank and number first."
            )
        return super().load_state_dict(state_dict, strict=True, assign=assign)

    def set_scales(self, *, appearance: float | Sequence[float] | None = None, motion: float | None = None) -> None:
        """Factors on the updates; 1 = as trained, 0 = off, negative = away from it. None = as it was.

        Args:
            appearance: for all appearance adapters, or one number each.
            motion: of the motion adapter.

        Raises:
            DisMoError: not finite, another number of them than adapters, or a motion scale without motion adapter.
        """
        if motion is not None and not self.has_motion:
            raise DisMoError(f"A motion scale of {motion:g} is set, but there is no motion adapter.")
        several = [appearance] * self.appearances if isinstance(appearance, (int, float)) else appearance
        if several is not None and len(several) != self.appearances:
            raise DisMoError(f"{len(several)} appearance scales for {self.appearances} appearance adapters.")
        for part, scales in (("appearance", several), ("motion", None if motion is None else [motion])):
            for setting, scale in zip(self._settings[part], scales or (), strict=scales is not None):
                if not math.isfinite(scale):
                    raise DisMoError(f"The {part} scale must be a finite number, not {scale}.")
                setting.scale = float(scale)

    def freeze(self, *, appearance: bool, motion: bool) -> None:
        """Which adapters are constants from now on: their updates act, no gradient reaches them."""
        for part, frozen in (("appearance", appearance), ("motion", motion)):
            for setting in self._settings[part]:
                setting.frozen = frozen

    def bring(self, index: int) -> None:
        """Bring appearance adapter `index` to where its linears lie, and the others to the host: only one is trained at a time."""
        for k, pairs in enumerate(self._pairs["appearance"] if self.appearances > 1 else ()):
            for name, pair in zip(self._layers["appearance"], pairs, strict=True):
                linear: Any = self.unet.get_submodule(name)
                where = linear.weight.device if k == index else torch.device("cpu")
                if pair.lora_up.weight.device != where:
                    pair.to(where)

    def remembered(self) -> Callable[[], AbstractContextManager[None]]:
        """Scales and frozen adapters as they are now, to be in force again while something is computed a second time."""
        settings = [setting for part in self._settings.values() for setting in part]
        now = [(setting.scale, setting.frozen) for setting in settings]

        @contextlib.contextmanager
        def in_force() -> Iterator[None]:
            then = [(setting.scale, setting.frozen) for setting in settings]
            _set(settings, now)
            try:
                yield
            finally:
                _set(settings, then)

        return in_force

    @contextlib.contextmanager
    def merged(self) -> Iterator[None]:
        """Within it the updates are part of the base's weights and cost nothing; after it the base is as before, bit for bit.

        Scales are those at the beginning. The original weights are kept meanwhile; release the base's memory plan before.

        Raises:
            DisMoError: weights that are stored in fewer bits, to which nothing can be added.
        """
        held: list[tuple[nn.Parameter, Tensor]] = []
        settings = [setting for part in self._settings.values() for setting in part]
        then = [(setting.scale, setting.frozen) for setting in settings]
        try:
            for part, adapters in self._pairs.items():
                for i, name in enumerate(self._layers[part] if adapters else ()):
                    weight: Any = self.unet.get_submodule(name).weight
                    if type(weight) is not nn.Parameter or weight.dtype not in (
                        torch.float32,
                        torch.bfloat16,
                        torch.float16,
                    ):
                        raise DisMoError(
                            f"{name} is stored in fewer bits ({weight.dtype}), so nothing can be merged into it. Leave the adapters beside "
                            "it, or load the base in bf16, fp16 or fp32."
                        )
                    held.append((weight, weight.data))
                    update = self._update(part, i).view(weight.shape).to(weight.device)
                    weight.data = (weight.data.float() + update).to(weight.dtype)
            for setting in settings:
                setting.scale = 0.0
            yield
        finally:
            for weight, data in held:
                weight.data = data
            _set(settings, then)

    def _update(self, part: str, layer: int) -> Tensor:
        """The sum of the updates of one layer, with their scales, [d_out, d_in]."""
        with torch.no_grad():
            updates = [
                pairs[layer].setting.scale * (pairs[layer].lora_up.weight @ pairs[layer].lora_down.weight)
                for pairs in self._pairs[part]
            ]
            return torch.stack(updates).sum(dim=0)

    def save(self, part: str, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
        """Write one part: `.pt` is the published list, `.safetensors` ours; replaces an existing file.

        Args:
            part: "appearance" or "motion".
            path: of the file.
            metadata: texts beside the tensors, of safetensors only.
        """
        from .adapter_file import AdapterFile, write_adapter

        file = AdapterFile(Path(path), part, self.tensors(part), self.layers(part), dict(metadata or {}))
        write_adapter(file, path, overwrite=True)

    def remove(self) -> None:
        """The UNet as it was before."""
        for part, adapters in self._pairs.items():
            for name in self._layers[part] if adapters else ():
                detach(self.unet.get_submodule(name))
        for p, flag in self._trained:
            p.requires_grad_(flag)


def _set(settings: Sequence[Setting], values: Sequence[tuple[float, bool]]) -> None:
    for setting, (scale, frozen) in zip(settings, values, strict=True):
        setting.scale, setting.frozen = scale, frozen


def _tree(names: Sequence[str], leaves: Sequence[nn.Module]) -> nn.Module:
    """Leaves in modules that are nested as their names say, so that the state dict has these names."""
    root = nn.Module()
    for name, leaf in zip(names, leaves, strict=True):
        *parents, last = name.split(".")
        place = root
        for parent in parents:
            if parent not in place._modules:
                place.add_module(parent, nn.Module())
            place = place.get_submodule(parent)
        place.add_module(last, leaf)
    return root
