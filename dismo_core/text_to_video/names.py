"""Names of tensors as older libraries wrote them, to those of the installed one."""

from __future__ import annotations

_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_TEXT = "text_model."


def vae_name(name: str) -> str:
    """diffusers' name of a tensor of the VAE; before 0.17 the attention had others."""
    layer, _, kind = name.rpartition(".")
    parent, _, child = layer.rpartition(".")
    return f"{parent}.{_ATTENTION[child]}.{kind}" if ".attentions." in name and child in _ATTENTION else name


def clip_name(name: str, nested: bool) -> str | None:
    """transformers' name of a tensor of the CLIP text model; None = not needed.

    Args:
        name: as in the file.
        nested: whether the model's own names begin with `text_model.`, as before transformers 5.
    """
    if name.endswith("embeddings.position_ids") or name == "text_projection.weight":
        return None
    plain = name.removeprefix(_TEXT)
    return _TEXT + plain if nested else plain
