"""The fit against the published loop; sharing, resuming, memory, and what goes wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussians4d.goldens4d import filled, gaussians, golden, goldens, raw, relative, rnd, stub_guidance

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import DynamicFit, HexPlaneDeformation
from dismo_core.gaussians4d.priors import SINGLE_VIEW, Priors

FIELD = "train.grad.sd."
NAMES = {"means": "xyz", "colors_dc": "dc", "opacity_logits": "op", "log_scales": "ls", "quaternions": "q"}


def field():
    made = filled(HexPlaneDeformation((5, 6, 7, 4), 8, 16, 1))
    for name, parameter in made.named_parameters():
        if "_deform.feature_out.1." in name:
            parameter *= 0.05
    return made


def clip():
    frames, masks = golden("train.frames"), golden("train.masks")
    return [x.repeat_interleave(4, -1).repeat_interleave(4, -2) for x in (frames, masks)]


def published(**more):
    embedding, condition = 0.5 * rnd("train.embedding", 3, 768), rnd("train.condition", 3, 4, 32, 32)
    given = (gaussians("train"), field(), *clip(), stub_guidance(), embedding, condition)
    return DynamicFit(*given, iters=10, views=1, **more)


@pytest.mark.parametrize("chunk", ["auto", 1])
def test_the_published_steps(chunk):
    fit = published(chunk=chunk)
    noise = [rnd(f"train.noise{k}", 3, 4, 32, 32) for k in range(3)]
    loss, gradients = fit.gradients(np.random.RandomState(888), noise[0])
    for name, short in NAMES.items():
        assert relative(gradients[name], f"train.grad.{short}") < 1e-2, name
    assert gradients["field"].keys() == {n.removeprefix(FIELD) for n in goldens() if n.startswith(FIELD)}
    for name, gradient in gradients["field"].items():
        assert relative(gradient, f"train.grad.sd.{name}") < 1e-2, name
    rng = np.random.RandomState(888)
    losses = [fit.step(rng, part) for part in noise]
    assert losses == pytest.approx(golden("train.losses").tolist(), rel=1e-3) and loss == pytest.approx(losses[0])
    after = fit.parameters()
    found = {short: after[name] for name, short in NAMES.items()}
    found["grid5"] = after["field"]["deformation_net.grid.grids.0.5"]
    found["head"] = after["field"]["deformation_net.pos_deform.feature_out.1.weight"]
    for name, value in found.items():
        away = (value - golden(f"train.after.{name}").view_as(value)).abs().flatten()
        assert away.quantile(0.95) < 5e-4, name


def test_gradients_change_nothing():
    fit = published()
    before = {name: value.clone() for name, value in fit.parameters().items() if name != "field"}
    for _ in range(2):
        fit.gradients(np.random.RandomState(888), rnd("train.noise0", 3, 4, 32, 32))
    assert all(torch.equal(value, fit.parameters()[name]) for name, value in before.items())
    assert fit.steps_done == 0


def single_view(gaussians=None, **more):
    torch.manual_seed(0)
    given = gaussians or raw_gaussians()
    return DynamicFit(
        given, HexPlaneDeformation((5, 6, 7, 4), 8, 16), *clip(), iters=10, frames_per_step=2, least_weight=0.2,
        priors=SINGLE_VIEW, **more,
    )  # fmt: skip


def raw_gaussians():
    return gaussians("train")


def test_a_resumed_fit_is_the_unbroken_one():
    whole, rng = single_view(), np.random.RandomState(1)
    for _ in range(2):
        whole.step(rng)
    state, numbers = whole.state(), rng.get_state()
    state = torch.load(_saved(state), weights_only=True)
    losses = [whole.step(rng) for _ in range(3)]
    resumed, again = single_view(), np.random.RandomState(5)
    resumed.load_state(state)
    again.set_state(numbers)
    assert [resumed.step(again) for _ in range(3)] == losses
    for name, value in raw(resumed.model().at(1.0)).items():
        assert torch.equal(value, raw(whole.model().at(1.0))[name])


def _saved(state):
    import io

    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return file


def test_rows_that_share_keep_one_color_and_opacity():
    g = raw_gaussians()
    share = torch.arange(30) // 3
    g = replace(g, share=share, colors_dc=g.colors_dc[share * 3], opacity_logits=g.opacity_logits[share * 3])
    fit, rng = single_view(g), np.random.RandomState(0)
    for _ in range(3):
        fit.step(rng)
    after = fit.parameters()
    assert torch.equal(after["colors_dc"], after["colors_dc"][share * 3])
    assert torch.equal(after["opacity_logits"], after["opacity_logits"][share * 3])
    assert not torch.equal(after["colors_dc"], g.colors_dc)
    assert not torch.equal(after["means"], after["means"][share * 3])


def test_gaussians_at_rest_stay_where_only_the_field_is_trained():
    fit, g = single_view(optimize_gaussians=False), raw_gaussians()
    for _ in range(2):
        fit.step(np.random.RandomState(0))
    assert torch.equal(fit.parameters()["means"], g.means) and torch.equal(fit.parameters()["colors_dc"], g.colors_dc)
    assert fit.model().at(1.0).means.sub(g.means).abs().max() > 0


def test_each_prior_counts():
    def gradient(**weights):
        torch.manual_seed(0)
        fit = DynamicFit(raw_gaussians(), field(), *clip(), iters=10, priors=Priors(**weights))
        return fit.gradients(np.random.RandomState(0))

    plain, _ = gradient()
    for name in ("rigid", "smooth", "depth", "plane", "time", "l1"):
        once, twice = gradient(**{name: 1e3})[0] - plain, gradient(**{name: 2e3})[0] - plain
        assert once > 0 and twice == pytest.approx(2 * once, rel=0.05), name


def test_out_of_memory_halves_the_chunk(monkeypatch, caplog):
    import dismo_core.gaussians4d.fit as module

    true, calls = module.rasterize, []

    def small(means, *rest, **more):
        calls.append(len(means))
        if len(means) > 1:
            raise torch.OutOfMemoryError("no")
        return true(means, *rest, **more)

    wanted, _ = single_view().gradients(np.random.RandomState(0))
    monkeypatch.setattr(module, "rasterize", small)
    found, _ = single_view(chunk=2).gradients(np.random.RandomState(0))
    assert found == pytest.approx(wanted, rel=1e-5) and max(calls) == 2
    assert "2 pictures at once; from here on 1" in caplog.text
    monkeypatch.setattr(module, "rasterize", lambda *a, **k: small(torch.zeros(2)))
    with pytest.raises(torch.OutOfMemoryError):  # of one picture: not hidden
        single_view().gradients(np.random.RandomState(0))


def test_a_loss_that_is_no_number_names_step_and_term():
    frames, masks = clip()
    frames[1, 0, 0, 0] = float("nan")
    fit = DynamicFit(raw_gaussians(), field(), frames, masks, iters=3)
    with pytest.raises(DisMoError, match="step 1 .*picture"):
        fit.step(np.random.RandomState(0))


BAD = [
    ({"frames": torch.zeros(1, 3, 8, 8)}, r"T from 2 on, not \[1, 3, 8, 8\]"),
    ({"frames": torch.zeros(3, 3, 8, 9)}, r"\[3, 3, 8, 9\]"),
    ({"masks": torch.zeros(3, 1, 8, 8)}, r"\[3, 1, 24, 24\].*not \[3, 1, 8, 8\]"),
    ({"iters": 0}, "at least one step, not 0"),
    ({"guidance": stub_guidance()}, "embedding and condition"),
]


@pytest.mark.parametrize(("change", "named"), BAD, ids=[named for _, named in BAD])
def test_fits_that_cannot_be(change, named):
    frames, masks = clip()
    with pytest.raises(DisMoError, match=named):
        DynamicFit(raw_gaussians(), field(), **{"frames": frames, "masks": masks} | change)


def test_a_state_of_another_fit():
    state = single_view().state()
    other = DynamicFit(gaussians("mesh"), HexPlaneDeformation(), *clip(), iters=3)
    with pytest.raises(DisMoError, match="does not fit this clip and model"):
        other.load_state(state)
