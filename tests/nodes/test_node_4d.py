"""The 4D nodes, without ComfyUI: how clips, settings and files reach `dismo_core.gaussians4d`."""

from __future__ import annotations

import types
from fractions import Fraction

import pytest
import torch

FIT = dict(preset="auto", steps=3, radius=0.0, rigid=1.0, smooth=1.0, seed=0)
RENDER = dict(
    camera="still",
    frames=2,
    width=32,
    height=24,
    fps=0.0,
    elevation=10.0,
    azimuth=0.0,
    distance=1.0,
    background="white",
)
PREPARE = dict(frames=3, start=0.0, length=0.0, size=64, matting="auto", crop="largest")


@pytest.fixture
def nodes(pack):
    """Names -> the node classes."""
    from schema_reader import read_schemas

    files = ("prepare_clip", "static", "loaders", "fit", "render", "mesh", "library")
    found = {}
    for name in files:
        found |= {k: v for k, v in vars(pack(f"nodes.gaussians4d.{name}")).items() if isinstance(v, type)}
    ids = {node_id: schema["class"] for node_id, schema in read_schemas().items() if node_id.startswith("DisMo4D")}
    return types.SimpleNamespace(**{node_id.removeprefix("DisMo4D"): found[name] for node_id, name in ids.items()})


@pytest.fixture
def video(pack):
    """The fish as the example node gives it: on white, with a mask for each frame."""
    clip, _, masks = pack("nodes.shared.example").ExampleInputs.execute("fish")
    return clip, masks


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder for what the first test that needs it has made."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def fitted(pack, nodes, video, kept):
    """(clip, model) of three frames and three steps."""
    four, clip = kept / "4d.safetensors", kept / "clip.pt"
    if not four.is_file():
        made, *_ = nodes.PrepareClip.execute(video=video[0], masks=video[1], **PREPARE)
        posed, views = nodes.Static.execute(made, frame=0, count=300, thickness=0.7, seed=0)
        assert views.shape == (4, 256, 256, 3)
        with torch.inference_mode():  # as ComfyUI runs a graph
            model, shown, report = nodes.Fit.execute(made, posed, **FIT)
        assert shown.shape == (3, 256, 256, 3) and "Known view" in report and "inferred" in report
        torch.save(made.rgba, clip)
        model.save(four)
    clip_type = pack("dismo_core.gaussians4d.clip").Clip4D
    return clip_type(torch.load(clip), 8 * 2 / 13), pack("dismo_core.gaussians4d").Gaussians4D.load(four)


def test_a_clip_is_prepared_with_masks_or_by_its_background(nodes, video):
    with torch.inference_mode():
        clip, prepared, subject, report = nodes.PrepareClip.execute(video=video[0], masks=video[1], **PREPARE)
        keyed, _, other, _ = nodes.PrepareClip.execute(video=video[0], **PREPARE)
    assert prepared.shape == (3, 64, 64, 3) and subject.shape == (3, 64, 64)
    assert not clip.rgba.is_inference() and report.startswith("3 frames of 64 x 64 px")
    agreement = ((subject > 0.5) & (other > 0.5)).sum() / ((subject > 0.5) | (other > 0.5)).sum()
    assert agreement > 0.95
    assert clip.fps == keyed.fps == pytest.approx(8 * 2 / 13)


def test_a_file_keeps_its_transparency(pack, nodes, monkeypatch):
    from comfy_api.latest import InputImpl

    file = str(pack("dismo_core.assets.examples").example_clip("fish"))
    part = PREPARE | {"start": 0.5, "matting": "alpha"}
    for window, wanted in (((0.0, 0.0), 9), ((0.25, 1.0), 3)):
        made = InputImpl.VideoFromFile(file, window)
        clip, *_ = nodes.PrepareClip.execute(video=made, **part | {"frames": 14})
        assert len(clip.rgba) in (wanted, wanted + 1)


def test_images_with_alpha_are_cut_out_by_it(nodes, video):
    images = torch.cat((video[0].get_components().images, video[1][..., None]), -1)
    clip, _, subject, _ = nodes.PrepareClip.execute(images=images, **PREPARE | {"matting": "alpha"})
    assert clip.fps == pytest.approx(7 * 2 / 13) and 0.05 < subject.mean() < 0.6


def test_masks_for_other_frames_are_refused(pack, nodes, video):
    with pytest.raises(pack("dismo_core").DisMoError, match="14 frames, but there are 5 masks"):
        nodes.PrepareClip.execute(video=video[0], masks=video[1][:5], **PREPARE)


def test_a_fit_goes_on_from_a_model(nodes, fitted, video):
    clip, four = fitted
    posed, _ = nodes.Static.execute(clip, frame=0, count=300, thickness=0.7, seed=0)
    again, *_ = nodes.Fit.execute(clip, posed, **FIT, resume=four)
    assert not torch.equal(again.gaussians.means, four.gaussians.means)
    assert (again.gaussians.means - four.gaussians.means).abs().max() < 0.2
    assert again.surface is not None


def test_a_preset_and_a_guidance_belong_together(pack, nodes, fitted):
    clip, _ = fitted
    posed, _ = nodes.Static.execute(clip, frame=0, count=300, thickness=0.7, seed=0)
    error = pack("dismo_core").DisMoError
    with pytest.raises(error, match="default needs a guidance"):
        nodes.Fit.execute(clip, posed, **FIT | {"preset": "default"})
    with pytest.raises(error, match="uses no guidance"):
        nodes.Fit.execute(clip, posed, **FIT | {"preset": "inflate"}, guidance=object())


def test_a_video_with_depth_and_transparency(nodes, fitted):
    _, four = fitted
    clip, images, masks, depth = nodes.Render.execute(four, **RENDER)
    assert images.shape == depth.shape == (2, 24, 32, 3) and masks.shape == (2, 24, 32)
    assert clip.get_components().frame_rate == Fraction(four.fps).limit_denominator(1001)
    assert depth.max() == 1 and depth[masks < 0.5].max() == 0
    assert images[0, 0, 0].min() > 0.99
    _, clear, *_ = nodes.Render.execute(four, **RENDER | {"background": "transparent"})
    assert clear.shape == (2, 24, 32, 4)
    on_white = clear[..., :3] * clear[..., 3:] + 1 - clear[..., 3:]
    assert (on_white - images).abs().max() < 0.02


def test_moments_between_the_frames(pack, nodes, fitted):
    _, four = fitted
    (posed,) = nodes.Frames.execute(four, factor=2, times="")
    assert len(posed) == 6
    (posed,) = nodes.Frames.execute(four, factor=4, times="0, 1.5")
    assert torch.equal(posed[1].gaussians.means, four.at(1.5).means)
    error = pack("dismo_core").DisMoError
    for times, named in (("0, x", "numbers with commas"), ("2.5", "0 to 2"), ("nan", "none of this model")):
        with pytest.raises(error, match=named):
            nodes.Frames.execute(four, factor=4, times=times)


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("glb", "a_00001_.glb"),
        ("html", "a_00001_.html"),
        ("ply sequence", "a_00001_ply"),
        ("obj sequence", "a_00001_obj"),
    ],
)
def test_formats(nodes, fitted, tmp_path, format, name):
    (file,) = nodes.Save.execute(fitted[1], "3d/a", format)
    assert file == f"3d/{name}"
    made = tmp_path / "output" / file
    assert made.is_dir() == ("sequence" in format) and made.exists()
    if format == "ply sequence":
        assert len(list(made.iterdir())) == 12


def test_a_saved_model_is_listed_and_loaded(pack, nodes, fitted, tmp_path):
    files = pack("nodes.gaussians4d.model_files")
    error = pack("dismo_core").DisMoError
    assert files.models() == [files.NONE]
    with pytest.raises(error, match="No 4D model was saved yet"):
        nodes.Load.execute(files.NONE)
    (name,) = nodes.Save.execute(fitted[1], "3d/a", "4d")
    assert files.models() == [f"{name} [output]"]
    (loaded,) = nodes.Load.execute(f"{name} [output]")
    assert torch.equal(loaded.gaussians.means, fitted[1].gaussians.means)
    assert nodes.Load.fingerprint_inputs(f"{name} [output]") != ""
    nodes.Save.execute(fitted[1], "3d/b", "ply sequence")
    assert files.gaussians() == ["fish [example]", "3d/b_00001_ply/000.ply [output]"]
    (posed,) = nodes.LoadGaussians.execute("3d/b_00001_ply/001.ply [output]", align_to=fitted[0])
    assert torch.equal(posed.gaussians.means, fitted[1].at(0.25).means)  # it fits already
    for outside in ("../../a_4d.safetensors [output]", "/etc/passwd"):
        with pytest.raises(error, match="leads out"):
            nodes.Load.execute(outside)


def test_a_mesh_of_each_frame_is_no_animation(pack, nodes, fitted):
    moving = pack("dismo_core.gaussians4d.moving_mesh")
    whole = moving.moving_mesh(fitted[1])
    alone = moving.MovingMesh(whole.frames)
    with pytest.raises(pack("dismo_core").DisMoError, match="obj sequence"):
        nodes.Save.execute(fitted[1], "3d/c", "glb", mesh=alone)
    (refined,) = nodes.Refine.execute(whole, fitted[0], steps=2, svd="none", seed=0)
    assert (refined.rest.texture != whole.rest.texture).any()
    assert (refined.rest.vertices == whole.rest.vertices).all()
    (moved,) = nodes.Refine.execute(whole, fitted[0], steps=2, svd="none", seed=0, train_geo=True)
    assert 0 < abs(moved.rest.vertices - whole.rest.vertices).max() < 3e-4
    (file,) = nodes.Save.execute(fitted[1], "3d/c", "glb", mesh=refined)
    assert file.endswith(".glb")


def test_a_mesh_is_refined_by_a_folder_that_is_listed(pack, nodes, fitted, tmp_path, monkeypatch):
    from toy_gaussians4d import save_svd

    pack("nodes.dismo.model_files").register_folder()
    files = pack("nodes.gaussians4d.svd_files")
    assert files.svd_folders() == ["none"]
    save_svd(tmp_path / "models/diffusers/toy")
    other = tmp_path / "models/diffusers/other/model_index.json"
    other.parent.mkdir()
    other.write_text('{"_class_name": "CogVideoXPipeline"}')
    assert files.svd_folders() == ["none", "toy"]
    whole = pack("dismo_core.gaussians4d.moving_mesh").moving_mesh(fitted[1])
    monkeypatch.setattr(pack("dismo_core.gaussians4d.refine"), "SIDE", 64)
    with torch.inference_mode():
        made = [nodes.Refine.execute(whole, fitted[0], steps=1, svd=svd, seed=0)[0] for svd in ("toy", "toy", "none")]
    assert (made[0].rest.texture == made[1].rest.texture).all()
    assert (made[0].rest.texture != made[2].rest.texture).any()
    with pytest.raises(pack("dismo_core").DisMoError, match="no Stable Video Diffusion 'gone'.*none, toy"):
        nodes.Refine.execute(whole, fitted[0], steps=1, svd="gone", seed=0)


def test_networks_that_are_not_there_are_named(pack, nodes, tmp_path):
    pack("nodes.dismo.model_files").register_folder()
    error = pack("dismo_core").DisMoError
    for node, model, named in (
        (nodes.LoadGuidance, "stable-zero123", "stable-zero123-diffusers"),
        (nodes.LoadStatic, "lgm-big", "ashawkey/LGM"),
    ):
        with pytest.raises(error, match=named) as said:
            node.execute(model=model, precision="auto", memory="auto", download=False)
        assert str(tmp_path / "models") in str(said.value)
    (tmp_path / "models/diffusers/stable-zero123-diffusers").mkdir(parents=True)
    with pytest.raises(error, match="no part unet, vae"):
        nodes.LoadGuidance.execute(model="stable-zero123", precision="auto", memory="auto", download=False)


def test_a_network_takes_the_place_of_the_outline(nodes, fitted):
    class Network:
        patcher = None

        def pose(self, clip, frame, seed, *, runtime):
            posed, _ = nodes.Static.execute(clip, frame=frame, count=100, thickness=0.7, seed=0)
            self.asked = frame, seed
            return posed

    network = Network()
    nodes.Static.execute(fitted[0], frame=1, count=5000, thickness=0.7, seed=9, static_model=network)
    assert network.asked == (1, 9)
