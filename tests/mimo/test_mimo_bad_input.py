"""Input that cannot be used is refused with the value, the reason and what to do; what has no test beside the thing itself."""

import json

import numpy as np
import pytest
import torch
from mimo_goldens import pixels
from mimo_toy import make_image_encoder, make_vae, networks, pipeline
from safetensors.torch import save_file

from dismo_core import DisMoError, mimo
from dismo_core.mimo.templates.build import assemble_template
from dismo_core.mimo.training.examples import Encoders
from dismo_core.mimo.training.export import export_whole
from dismo_core.mimo.training.networks import Networks
from dismo_core.runtime import Runtime
from dismo_core.video import write_video


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Toy weights as an export writes them."""
    folder = tmp_path_factory.mktemp("weights")
    export_whole(Networks(*networks()), Encoders(make_vae(), make_image_encoder(), 64), folder)
    return folder


@pytest.fixture
def file(weights):
    """One of them, which is put back."""
    path = weights / "denoising_unet.safetensors"
    whole = path.read_bytes()
    yield path
    path.write_bytes(whole)


def body(frames=3, size=(48, 64)):
    found = np.zeros((frames, *size, 3), np.uint8)
    found[:, 10:40, 20:40] = 200
    return found


def test_weights_of_another_system_are_named(weights, file):
    save_file({"blocks.0.cross_attn.norm_k_img.weight": torch.zeros(4), "patch_embedding.weight": torch.zeros(4)}, file)
    with pytest.raises(DisMoError, match="denoising_unet.*(missing|unknown)"):
        mimo.load_mimo(weights)
    save_file({n: x.clone() for n, x in networks()[2].state_dict().items()}, file)
    with pytest.raises(DisMoError, match="It looks like a pose guider of MIMO"):
        mimo.load_mimo(weights)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>not found</html>", None])
def test_truncated_files_and_pages_are_no_weights(weights, file, content):
    file.write_bytes(file.read_bytes()[:5000] if content is None else content)
    with pytest.raises(DisMoError, match="denoising_unet.safetensors"):
        mimo.load_mimo(weights)


@pytest.mark.parametrize(
    ("channels", "message"), [(4, "conv_in.weight for 4 channels.*8"), (9, "for 9 channels.*8 .*12")]
)
def test_unets_of_another_number_of_channels(weights, file, channels, message):
    state = networks()[1].state_dict()
    first = state["conv_in.weight"]
    state["conv_in.weight"] = torch.zeros(len(first), channels, 3, 3)
    save_file({name: x.contiguous() for name, x in state.items()}, file)
    with pytest.raises(DisMoError, match=message):
        mimo.load_mimo(weights)


def test_masks_of_another_size_or_length():
    clip, mask = np.zeros((4, 32, 48, 3), np.uint8), np.zeros((4, 32, 48), np.uint8)
    with pytest.raises(DisMoError, match="mask is 32x32 px, the clip 48x32"):
        assemble_template({"vid": clip, "mask": mask[:, :, :32]}, fps=30)
    with pytest.raises(DisMoError, match="mask has 3 frames at 30 fps, the clip 4"):
        assemble_template({"vid": clip, "mask": mask[:3]}, fps=30)
    with pytest.raises(DisMoError, match="Neither a mask of the person nor a body"):
        assemble_template({"vid": clip}, fps=30)


def test_videos_of_odd_sizes_are_read_as_they_are(tmp_path):
    """The codec writes even sides, so a picture of an odd size is one column or row larger in its file; others must be alike."""
    odd = mimo.Template(sdc=body(size=(47, 63)), bk=body(size=(47, 63)))
    odd.save(tmp_path / "odd")
    assert mimo.Template.load(tmp_path / "odd").open(None).size in ((63, 47), (64, 48))
    write_video(tmp_path / "odd" / "bk.mp4", torch.zeros(3, 64, 80, 3, dtype=torch.uint8), 30, overwrite=True)
    with pytest.raises(DisMoError, match="different sizes.*bk 80x64"):
        mimo.Template.load(tmp_path / "odd").open(None)


@pytest.mark.parametrize("range_", [(-1, 3), (3, 1), (2, 2)])
def test_ranges_that_hold_nothing(tmp_path, range_):
    write_video(tmp_path / "sdc.mp4", torch.from_numpy(body()), 30)
    crop = {"start_idx": range_[0], "end_idx": range_[1]}
    (tmp_path / "config.json").write_text(json.dumps({"fps": 30, "time_crop": crop}))
    with pytest.raises(DisMoError, match=str(range_[1] if range_[0] >= 0 else range_[0])):
        mimo.Template.load(tmp_path)


def test_more_segments_than_memory():
    many = np.broadcast_to(np.zeros((1, 48, 64), bool), (10**12, 48, 64))
    seen = np.full((48, 64), 255, np.uint8)
    with pytest.raises(DisMoError, match="1,000,000,000,000 segments of 64x48 px .* Give fewer"):
        mimo.occluders(seen, many, seen, seen > 0)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no memory"), MemoryError(), KeyboardInterrupt()])
def test_out_of_memory_and_cancel_pass_through(error):
    def stop():
        raise error

    runtime = Runtime.on("cpu")
    runtime.check_cancel = stop
    pipe = pipeline()
    with pytest.raises(type(error)) as caught:
        mimo.animate(
            pipe, pixels("r", (40, 40, 3)), mimo.Template(sdc=body()), width=32, height=32, steps=1, runtime=runtime
        )
    assert caught.value is error and pipe.plan.bytes_on_device() == 0
