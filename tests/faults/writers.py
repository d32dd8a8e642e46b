"""What this library writes, each as a function (folder, version) -> files; the version changes the content."""

from __future__ import annotations

import torch

import dismo_core as dismo

BIG = 40_000  # values: more than a nearly full disk takes


def motion(folder, version):
    path = folder / "m.safetensors"
    dismo.Motion(torch.full((BIG // 8, 8), float(version)), 8.0, "", "0" * 16).save(path, overwrite=True)
    return [path]


def video(folder, version, kind="mp4"):
    path = folder / f"v.{kind}"
    noise = torch.randint(0, 256, (12, 128, 128, 3), generator=torch.Generator().manual_seed(version)).byte()
    dismo.write_video(path, noise, 8, crf=4, overwrite=True)
    return [path]


def gif(folder, version):
    return video(folder, version, "gif")


def picture(folder, version):
    from dismo_core.video.sheets import save_picture

    noise = torch.randint(0, 256, (200, 200, 3), generator=torch.Generator().manual_seed(version)).byte()
    save_picture(noise, folder / "p.png", overwrite=True)
    return [folder / "p.png"]


def report(folder, version):
    from matplotlib.figure import Figure

    from dismo_core.evaluation.report import write_report

    figure = Figure()
    figure.subplots().plot([version, 1, 2])
    write_report(folder / "r.json", {"values": [version] * BIG}, figure, overwrite=True)
    return [folder / "r.json", folder / "r.png"]


def checkpoint(folder, version):
    from dismo_core.training.checkpoint import save_checkpoint

    return [save_checkpoint(folder, 1, {"step": 1, "weight": torch.full((BIG,), float(version))})]


def models(version):
    from dismo_core.dismo.models.space_to_depth import SpaceToDepth

    encoder = dict(embed_dim=24, depth=1, num_heads=2, image_size=28)
    small = dict(width=32, depth=1, d_head=16, d_motion=8)
    torch.manual_seed(version)
    extractor = dismo.MotionExtractor(**small, train_resolution=(8, 32, 32), frame_encoder=encoder)
    generator = dismo.FrameGenerator(
        **small, mapping_width=16, source_encoder=encoder, autoencoder=SpaceToDepth(2), train_resolution=(32, 32)
    )
    return extractor, generator


def trained(folder, version):
    from dismo_core.dismo.training.videos import export

    return export(*models(version), folder)


def trained_tiny(folder, version):
    from dismo_core.dismo.training.export import export_tiny

    return export_tiny(*models(version), folder)


def converted(folder, version):
    from dismo_core.weights.convert import convert

    source = folder.parent / f"{version}.pt"  # lies elsewhere, with room
    if not source.exists():
        source.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"weight": torch.full((BIG,), float(version))}, source)
    convert(source, folder / "c.safetensors", overwrite=True)
    return [folder / "c.safetensors"]


def demo_release(folder, version):
    from dismo_core import demo_t2v
    from dismo_core.demo_t2v.training.motion_half import MotionHalf
    from dismo_core.demo_t2v.training.release_files import save_release

    torch.manual_seed(version)
    geometry = dict(width=32, multipliers=[1], blocks=1, head_width=16, first_heads=2, context_width=64)
    half = MotionHalf(demo_t2v.UNet(**geometry), demo_t2v.TextTower(width=64, layers=2, heads=1, vocabulary=100))
    return list(save_release(half, half.state_dict(), folder, 1))


def model4d(folder, version):
    import numpy as np

    from dismo_core.gaussians4d import Gaussians4D, animated_glb, inflate_silhouette
    from dismo_core.gaussians4d.fit_clip import new_field
    from dismo_core.gaussians4d.inflate import inflate_mesh

    picture = np.zeros((32, 32, 4), np.uint8)
    picture[8:24, 8:24] = (100 + version, 50, 50, 255)
    four = Gaussians4D(inflate_silhouette(picture), new_field(2, version), 2, surface=inflate_mesh(picture))
    paths = folder / "4d.safetensors", folder / "4d.glb"
    four.save(paths[0], overwrite=True)
    animated_glb(paths[1], four, overwrite=True)
    return list(paths)


WRITERS = {
    writer.__name__: writer
    for writer in (
        motion,
        video,
        gif,
        picture,
        report,
        checkpoint,
        trained,
        trained_tiny,
        converted,
        demo_release,
        model4d,
    )
}
