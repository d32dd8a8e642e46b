"""Sharper textures: of the known view, of other sides that a toy of Stable Video Diffusion redraws, and by command."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dismo_core.cli.main import main
from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import Gaussians4D, Mesh, read_mesh, refine
from dismo_core.gaussians4d.cameras import orbit_views
from dismo_core.gaussians4d.export import read_mesh_sequence, write_mesh_sequence
from dismo_core.gaussians4d.moving_mesh import MovingMesh, moving_mesh
from dismo_core.gaussians4d.presets import REFINE, settings_of
from dismo_core.gaussians4d.refine import RefineSettings, refine_texture
from dismo_core.gaussians4d.svd import Redrawing, load_svd
from dismo_core.gaussians4d.textured import Surface, draw_textured, texture_places
from dismo_core.gaussians4d.zbuffer import corner_weights, draw_triangles
from dismo_core.video import probe

QUICK = RefineSettings(steps=2, size=64)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Other sides of 64 px."""
    monkeypatch.setattr(refine, "SIDE", 64)


@pytest.fixture(scope="module")
def grey(fish4d):
    """Three frames of the fish's surface, without colors."""
    moving = moving_mesh(fish4d)
    texture = np.full((64, 64, 3), 0.5, np.float32)
    frames = [replace(moving.frames[k], texture=texture) for k in (0, 4, 8)]
    return MovingMesh(frames, replace(moving.rest, texture=texture))


@pytest.fixture(scope="module")
def three(fish):
    return replace(fish, rgba=fish.rgba[[0, 4, 8]])


def changed(made, before):
    return np.abs(made.texture - before.texture).max(-1) > 0.02


def test_a_texture_is_fitted_to_the_clip(fish4d, grey, three):
    made = refine_texture(grey, three, replace(QUICK, steps=30))
    assert made.rest.texture is made.frames[2].texture
    front = changed(made.rest, grey.rest)
    assert 0.05 < front.mean() < 0.95  # what no frame shows stays
    again = refine_texture(MovingMesh(grey.frames), three, QUICK)
    assert again.rest is None and not np.array_equal(again.frames[0].texture, again.frames[2].texture)
    with pytest.raises(DisMoError, match="3 frames, the clip 2"):
        refine_texture(grey, replace(three, rgba=three.rgba[:2]))
    with pytest.raises(DisMoError, match="No frame of the clip shows the surface"):
        refine_texture(replace(grey, radius=500.0), three)
    with pytest.raises(DisMoError, match="no texture"):
        refine_texture(MovingMesh([replace(mesh, uv=None) for mesh in grey.frames]), three)


def away(moving, clip):
    """Mean squared difference to the frames, where they are full and the surface faces the camera."""
    frames, masks = clip.frames(64)
    squares = []
    for mesh, frame, mask in zip(moving.frames, frames, masks, strict=True):
        places = texture_places(Surface.of(mesh, torch.device("cpu")), orbit_views([0.0], [0.0], [1.5])[0], 64)
        picture = draw_textured(torch.from_numpy(mesh.texture).movedim(-1, 0), places)
        well = places.shown.clone()
        well[places.shown] = places.facing > 0.5
        squares.append((picture - frame)[:, well & (mask[0] > 0.99)].square().mean())
    return float(torch.stack(squares).mean())


def test_meshes_of_one_frame_are_drawn_at_random_sizes(grey, three, monkeypatch):
    """From an eighth to twice the size that is compared, one for all frames of a step; a moving mesh at that size alone."""
    sizes, true = [], texture_places
    monkeypatch.setattr(
        refine, "texture_places", lambda *given: sizes.append(given[2]) or true(*given)
    )  # surface, view, size, fov
    own = MovingMesh(grey.frames)
    first, again, other = (refine_texture(own, three, replace(QUICK, steps=6, seed=seed)) for seed in (1, 1, 2))
    a_step = [sizes[3 * k : 3 * k + 3] for k in range(7)]  # the first looks whether the clip shows anything
    assert a_step[0] == [64] * 3 and all(len(set(of_it)) == 1 for of_it in a_step)
    drawn = {of_it[0] for of_it in a_step[1:]}
    assert len(drawn) >= 5 and 8 <= min(drawn) < 32 and 64 < max(drawn) <= 128
    assert sizes[:21] == sizes[21:42] != sizes[42:]
    assert all(np.array_equal(a.texture, b.texture) for a, b in zip(first.frames, again.frames, strict=True))
    assert not np.array_equal(first.frames[0].texture, other.frames[0].texture)
    assert away(first, three) < 0.5 * away(own, three)
    sizes.clear()
    moving = [refine_texture(grey, three, replace(QUICK, seed=seed)) for seed in (1, 2)]
    assert sizes == [64] * 6 and np.array_equal(moving[0].rest.texture, moving[1].rest.texture)


def test_other_sides_are_fitted_to_what_they_are_redrawn_as(grey, three):
    """A redrawing that makes everything red: the back becomes red, too, in all frames together."""
    seen = []

    def red(frames, picture, generator, check_cancel):
        seen.append((frames.shape, picture.shape, frames.requires_grad))
        return torch.tensor([1.0, 0, 0])[:, None, None].expand_as(frames)

    settings = replace(QUICK, steps=8, weight=100.0)
    made, known = refine_texture(grey, three, settings, redraw=red), refine_texture(grey, three, settings)
    assert seen == [((3, 3, 64, 64), (3, 64, 64), False)] * 8
    back = changed(made.rest, grey.rest) & ~changed(known.rest, grey.rest)
    assert back.mean() > 0.03  # few: front and back of this surface share their texels
    assert made.rest.texture[back][:, 0].mean() > 0.6 > 0.4 > made.rest.texture[back][:, 2].mean()


def test_a_window_of_frames_where_memory_is_short(grey, three):
    nine = MovingMesh([grey.frames[k % 3] for k in range(9)], grey.rest)
    clip = replace(three, rgba=three.rgba[[k % 3 for k in range(9)]])
    counts = []

    def keep(frames, picture, generator, check_cancel):
        counts.append(len(frames))
        return frames

    refine_texture(nine, clip, replace(QUICK, steps=1, window=True), redraw=keep)
    assert counts == [8]


def test_stable_video_diffusion_redraws_from_halfway(toy_svd, grey, three):
    video, times = load_svd(toy_svd, torch.device("cpu")), []
    pipeline = video.pipeline
    forward = pipeline.unet.forward
    pipeline.unet.forward = lambda x, time, *given, **more: (
        times.append(float(time)) or forward(x, time, *given, **more)
    )
    redraw = Redrawing(video)
    whole = pipeline.scheduler.__class__.__bases__[0].from_config(pipeline.scheduler.config)
    whole.set_timesteps(25)
    frames, picture = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.ones(3, 64, 64)

    def drawn(seed):
        return redraw(frames, picture, torch.Generator().manual_seed(seed), lambda: None)

    first, again, other = drawn(0), drawn(0), drawn(1)
    assert times[:8] == pytest.approx(whole.timesteps[17:].tolist()) and len(times) == 24  # the last 8 of 25
    assert first.shape == (2, 3, 64, 64) and 0 <= first.min() and first.max() <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_redrawing_begins_at_the_clip(toy_svd):
    """A U-Net that predicts no change of direction: with no noise left to remove, the clip comes back but for the VAE."""
    video = load_svd(toy_svd, torch.device("cpu"))
    redraw, vae = Redrawing(video, 25, 0.99), video.pipeline.vae
    frames = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        latents = vae.encode(2 * frames - 1).latent_dist.mode() * vae.config.scaling_factor
    asked = []

    def answer(x, *given, **more):
        asked.append(x[:1, :, :4])
        return (torch.zeros_like(x[:, :, :4]),)

    video.pipeline.unet.forward = answer
    redraw(frames, frames[0], torch.Generator().manual_seed(0), lambda: None)
    assert len(asked) == 1  # the last step, whose noise is 0.002
    torch.testing.assert_close(asked[0][0], latents, atol=0.02, rtol=0)


def test_one_part_at_a_time_is_brought_to_the_device(toy_svd):
    """The plan's own count while each part runs; a host counts as a device here."""
    video = load_svd(toy_svd, torch.device("cpu"), memory="model offload")
    parts = {name: part.module for name, part in video.plan.parts.items()}
    size = {name: sum(t.nbytes for t in (*part.parameters(), *part.buffers())) for name, part in parts.items()}
    seen = []
    vae = parts["vae"]
    for name, part in [*parts.items(), ("vae", vae.encoder), ("vae", vae.decoder)]:
        part.register_forward_hook(lambda *_, name=name: seen.append((name, video.plan.bytes_on_device())))
    frames = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def drawn(video, check_cancel=lambda: None):
        return Redrawing(video)(frames, frames[0], torch.Generator().manual_seed(0), check_cancel)

    made = drawn(video)
    assert {name for name, _ in seen} == set(parts) and all(size[name] == held for name, held in seen)
    assert video.plan.bytes_on_device() == 0

    def cancel():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        drawn(video, cancel)
    assert video.plan.bytes_on_device() == 0
    assert torch.equal(made, drawn(video))
    whole = load_svd(toy_svd, torch.device("cpu"), memory="full")
    assert torch.equal(made, drawn(whole)) and whole.plan.bytes_on_device() == sum(size.values())


def test_gradients_of_the_vertices(grey):
    mesh = grey.frames[0]
    view = orbit_views([0.0], [0.0], [1.5])[0].double()
    vertices, faces = torch.from_numpy(mesh.vertices).double(), torch.from_numpy(mesh.faces).long()
    seen = draw_triangles(vertices, faces, view, 24, 24)
    weights = corner_weights(vertices, faces, seen, view, 24, 24)
    torch.testing.assert_close(weights, seen.weights[seen.face >= 0])
    used = faces[seen.face[seen.face >= 0]].unique()[:5]

    def moved(part):
        return corner_weights(vertices.index_copy(0, used, part), faces, seen, view, 24, 24)

    assert torch.autograd.gradcheck(moved, [vertices[used].clone().requires_grad_()], eps=1e-7, atol=1e-4)


def test_offsets_are_added_once(grey, three):
    made = refine_texture(grey, three, replace(QUICK, geometry_rate=1e-4))
    moved = made.rest.vertices - grey.rest.vertices
    assert 0 < np.abs(moved).max() < 3e-4  # two steps of at most a little more than the rate
    for mesh, before in zip(made.frames, grey.frames, strict=True):
        np.testing.assert_allclose(mesh.vertices - before.vertices, moved, atol=1e-6)
    assert not np.array_equal(made.rest.normals, grey.rest.normals)


def test_a_mesh_in_a_picture():
    """A square of four texels in front of the camera, each in its corner of the picture."""
    corner = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32) * 0.4
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    texture = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]]], np.float32)
    mesh = Mesh(corner, np.array([[0, 1, 2], [0, 2, 3]], np.int32), None, uv, texture)
    places = texture_places(Surface.of(mesh, torch.device("cpu")), orbit_views([0.0], [0.0], [1.5])[0], 64)
    picture = draw_textured(torch.from_numpy(texture).movedim(-1, 0), places)
    assert picture[:, 0, 0].tolist() == [1, 1, 1] and places.facing.min() > 0.9
    for (y, x), color in {(16, 16): [1, 0, 0], (16, 47): [0, 1, 0], (47, 16): [0, 0, 1], (47, 47): [0, 0, 0]}.items():
        assert picture[:, y, x].tolist() == pytest.approx(color, abs=0.1)


def test_meshes_of_a_folder(grey, tmp_path):
    write_mesh_sequence(tmp_path / "one", grey)
    one = read_mesh_sequence(tmp_path / "one", 2.0)
    assert len(one.frames) == 3 and one.rest is one.frames[0] and one.radius == 2
    other = [replace(mesh, texture=mesh.texture * k / 2) for k, mesh in enumerate(grey.frames)]
    write_mesh_sequence(tmp_path / "many", MovingMesh(other), "glb")
    assert read_mesh_sequence(tmp_path / "many").rest is None
    (tmp_path / "one" / "001.obj").unlink()
    with pytest.raises(DisMoError, match="Mesh 1 is missing"):
        read_mesh_sequence(tmp_path / "one")
    with pytest.raises(DisMoError, match="holds no meshes"):
        read_mesh_sequence(tmp_path / "none")


@pytest.fixture
def fitted(fish, fish4d, grey, toy_svd, tmp_path, monkeypatch):
    """A folder as `dismo 4d fit mesh_format=obj` leaves it, of every second frame, with small pictures and few steps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fish_frames").mkdir()
    for k in range(6):
        frame = fish.rgba[2 * k].numpy()
        Image.fromarray(frame).resize((96, 96)).save(tmp_path / "fish_frames" / f"{k:03d}.png")
    shutil.copy("fish_frames/000.png", "fish.png")
    write_mesh_sequence("logs/fish_meshes", grey)
    return tmp_path


WORDS = ("input=fish.png", "iters_refine=1", "ref_size=32")


def test_by_command(fitted, toy_svd, fish4d, capsys):
    assert main(["4d", "refine", "--config", "refine", "--svd", str(toy_svd), *WORDS, "train_geo=True"]) == 0
    names = sorted(path.name for path in (fitted / "logs").iterdir() if path.suffix in (".obj", ".glb"))
    assert names == [f"fish_{k:03d}.{kind}" for k in range(3) for kind in ("glb", "obj")]  # T is inferred: three
    assert probe("vis_data/fish_refined.mp4").fps == pytest.approx(
        3.5, abs=0.1
    )  # and that every second frame was taken
    assert changed(read_mesh("logs/fish_001.glb"), read_mesh("logs/fish_meshes/001.obj")).mean() > 0.05
    assert main(["4d", "refine", *WORDS]) == 2 and "exists already" in capsys.readouterr().err


def test_the_surface_of_a_model_by_command(fitted, fish4d):
    shutil.rmtree("logs/fish_meshes")
    replace(fish4d, frames=3).save("logs/fish_4d.safetensors")
    assert main(["4d", "refine", *WORDS]) == 0
    made = Gaussians4D.load("logs/fish_refined_4d.safetensors")
    assert changed(made.surface, fish4d.surface).any() and read_mesh("logs/fish_refined.glb").texture is not None


REFUSED = [
    ((), "needs the input"),
    (("input=fish.png", "batch_size=7"), "there are 3 meshes"),
    (("input=fish.png", "downsample_rate=5"), "of every 5th of the 6 frames"),
    (("input=other.png",), "neither meshes"),
    (("input=fish.png", "mesh=nowhere"), "neither meshes"),
    (("input=fish.png", "--svd", "none"), "no model_index.json"),
    (("input=fish.png", "lambda_svd=0", "--svd", "none"), "changes nothing with lambda_svd=0"),
    (("input=fish.png", "--config", "4d"), "no preset '4d'"),
]


@pytest.mark.parametrize(("words", "named"), REFUSED, ids=[" ".join(words) for words, _ in REFUSED])
def test_words_that_cannot_be(fitted, words, named, capsys):
    assert main(["4d", "refine", *words]) == 2
    assert named in capsys.readouterr().err


def test_keys_of_the_published_file(tmp_path, caplog):
    (tmp_path / "own.yaml").write_text(
        "iters_refine: 5\nn_views: 4\nmesh_format: obj\ntrain_geo: true\noom_hack: yes\n"
    )
    with caplog.at_level("INFO"):
        own = settings_of(tmp_path / "own.yaml", ["lambda_svd=0.5"], REFINE)
    assert (own["iters_refine"], own["train_geo"], own["oom_hack"], own["lambda_svd"]) == (5, True, True, 0.5)
    assert "n_views" in caplog.text and "the refinement has no use for it" in caplog.text
