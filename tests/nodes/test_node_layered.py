"""The nodes of the layered model: how widgets reach it, what they give, what they refuse."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import logging
import sys
import types
from fractions import Fraction

import comfy_stub
import pytest
import torch

LOADER = dict(head="tiny", moves="auto", borders="mirror", shutter=0.0, fps=0.0)
TRACKS = dict(points=9, own_points="", width=96, height=64, frames=13, fps=24.0)
SAMPLE = dict(prompt="", negative_prompt="", steps=0, guidance=0.0, strength=1.0, seed=0, fit="crop", length="trim")


@pytest.fixture(scope="module")
def clips():
    """name of an example -> its motion and its picture [1,H,W,3]."""
    import dismo_core as dismo
    from dismo_core.assets.examples import example
    from dismo_core.video import read_image

    extractor = dismo.load_motion_extractor("tiny")
    return {
        name: (dismo.extract_motion(extractor, example(name)[0]), read_image(example(name)[1])[None])
        for name in ("drawn", "camera")
    }


@pytest.fixture
def motions(pack, clips):
    """The same, as objects of the pack under test."""
    motion = pack("dismo_core").Motion
    return {name: (motion(**vars(found)), picture) for name, (found, picture) in clips.items()}


@pytest.fixture
def nodes(pack):
    """Class name -> node, with the folders registered."""
    return {node.__name__: node for node in asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())}


@pytest.fixture
def load(nodes):
    """Function: widgets of the loader -> its model."""
    return lambda **widgets: nodes["LoadLayeredModel"].execute(**LOADER | widgets)[0]


@pytest.fixture
def error(pack):
    return pack("dismo_core").DisMoError


def moved(nodes, model, motion, picture, **widgets):
    """(video, frames) of the one picture."""
    videos, frames = nodes["MotionTransferSample"].execute(model, motion, picture, **SAMPLE | widgets)
    return videos[0], frames[0]


class TestLoader:
    def test_the_choices_are_those_of_the_core(self, pack, nodes):
        ports = {port.id: port.settings for port in nodes["LoadLayeredModel"].define_schema().inputs}
        assert tuple(ports["moves"]["options"]) == pack("dismo_core.dismo.layered.path").MOVES
        assert tuple(ports["borders"]["options"]) == pack("dismo_core.dismo.layered.renderer").BORDERS

    def test_widgets_reach_the_model(self, load):
        model = load(moves="scene", borders="crop", shutter=180.0, fps=24.0)
        assert (model.moves, model.borders, model.shutter, model.fps) == ("scene", "crop", 180.0, 24.0)

    def test_both_networks_are_comfyuis_to_move(self, pack, load, monkeypatch):
        assert load().patcher is None  # small: it lies where it is used
        monkeypatch.setattr(pack("nodes.shared.host"), "SMALL", 0)
        model = load()
        managed = {id(weight) for weight in model.patcher.model.parameters()}
        assert managed == {id(w) for part in (model.head, model.segmenter) for w in part.parameters()}
        assert model.head.spread.data_ptr() in {buffer.data_ptr() for buffer in model.patcher.model.buffers()}

    def test_weights_can_be_trained_later(self, load):
        with torch.inference_mode():
            model = load()
        assert not next(model.head.parameters()).is_inference()

    @pytest.mark.parametrize(
        ("widgets", "message"), [({"moves": "all"}, "all"), ({"shutter": 400.0}, "360"), ({"fps": 1000.0}, "240")]
    )
    def test_wrong_values(self, load, error, widgets, message):
        with pytest.raises(error, match=message):
            load(**widgets)

    def test_a_file_of_other_weights_is_refused_with_the_node_that_takes_it(self, pack, load, error, tmp_path):
        source = pack("dismo_core.dismo.weights").BUNDLED["dismo_tiny_generator"]
        (tmp_path / "models/dismo").mkdir(parents=True)
        (tmp_path / "models/dismo/other.safetensors").write_bytes(source.read_bytes())
        with pytest.raises(error, match="Load Frame Generator"):
            load(head="other.safetensors")


class TestTransfer:
    def test_the_video_has_the_size_of_the_picture_and_begins_with_it(self, nodes, load, motions):
        motion, _ = motions["camera"]
        picture = torch.rand(1, 50, 91, 3)
        video, frames = moved(nodes, load(), motion, picture)
        assert frames.shape == (25, 50, 91, 3) and video.get_components().frame_rate == 8
        assert (frames[0] - picture[0]).abs().max() < 0.02

    def test_frames_between_those_of_the_motion(self, nodes, load, motions):
        motion, picture = motions["drawn"]
        video, frames = moved(nodes, load(fps=24.0), motion, picture)
        assert len(frames) == 73 and video.get_components().frame_rate == Fraction(24)

    def test_a_mask_says_what_moves(self, nodes, load, motions):
        motion, picture = motions["drawn"]
        mask = torch.zeros(1, 64, 64)
        mask[:, :, :32] = 1
        _, frames = moved(nodes, load(moves="thing"), motion, picture, mask=mask)
        _, others = moved(nodes, load(moves="thing"), motion, picture, mask=1 - mask)
        assert (frames - others).abs().max() > 0.1

    def test_a_batch_may_have_a_mask_for_each_picture(self, nodes, load, motions):
        motion, picture = motions["drawn"]
        mask = torch.zeros(1, 64, 64)
        mask[:, :, :32] = 1
        pictures, masks = picture.repeat(2, 1, 1, 1), torch.cat((mask, 1 - mask))
        _, both = nodes["MotionTransferSample"].execute(load(moves="thing"), motion, pictures, mask=masks, **SAMPLE)
        for frames, own in zip(both, (mask, 1 - mask), strict=True):
            assert torch.equal(frames, moved(nodes, load(moves="thing"), motion, picture, mask=own)[1])

    def test_several_masks_are_refused(self, nodes, load, motions, error):
        with pytest.raises(error, match="2 masks"):
            moved(nodes, load(moves="thing"), *motions["drawn"], mask=torch.ones(2, 64, 64))

    def test_other_models_say_once_that_a_mask_changes_nothing(self, nodes, motions, caplog):
        motion, picture = motions["drawn"]
        generator = nodes["LoadFrameGenerator"].execute("tiny", "fp32")[0]
        with caplog.at_level(logging.WARNING):
            moved(nodes, generator, motion.trimmed(5), picture, mask=torch.ones(1, 64, 64), steps=1)
        assert sum("The mask changes nothing" in record.getMessage() for record in caplog.records) == 1

    def test_a_changed_widget_shows_within_two_seconds(self, nodes, load, motions):
        """512 px, 25 frames, with all that the node does; processor time of one thread."""
        import time

        motion, picture = motions["camera"]
        large = (
            torch.nn.functional.interpolate(picture.movedim(-1, 1), (512, 512), mode="bicubic")
            .clamp(0, 1)
            .movedim(1, -1)
        )
        threads, model = torch.get_num_threads(), load()
        torch.set_num_threads(1)
        try:
            begin = time.process_time()
            moved(nodes, model, motion, large, strength=0.5)
            assert time.process_time() - begin < 2
        finally:
            torch.set_num_threads(threads)


class TestMotionTracks:
    def tracks(self, nodes, model, motion, picture, **widgets):
        text, drawn = nodes["MotionTracks"].execute(model, motion, picture, **TRACKS | widgets)
        return json.loads(text), drawn

    def test_points_go_as_the_motion_says(self, nodes, load, motions):
        tracks, drawn = self.tracks(nodes, load(), *motions["camera"])
        assert 1 <= len(tracks) <= 9 and all(len(track) == 13 for track in tracks)
        assert drawn.shape == (1, 64, 96, 3) and drawn.dtype == torch.float32 and 0 <= drawn.min() and drawn.max() <= 1
        assert any(track[0] != track[-1] for track in tracks)

    def test_own_points_win_over_the_grid(self, nodes, load, motions):
        tracks, _ = self.tracks(nodes, load(), *motions["camera"], own_points='[[10, 20], {"x": 30.5, "y": 4}]')
        assert [track[0] for track in tracks] == [{"x": 10, "y": 20}, {"x": 30.5, "y": 4}]

    def test_a_mask_says_where_the_points_lie(self, nodes, load, motions):
        mask = torch.zeros(1, 64, 64)
        mask[:, 16:48, :32] = 1
        tracks, _ = self.tracks(nodes, load(moves="thing"), *motions["drawn"], mask=mask, width=64, height=64)
        assert tracks and all(track[0]["x"] < 33 for track in tracks)

    @pytest.mark.parametrize(
        ("widgets", "message"),
        [
            ({"own_points": "here"}, "no JSON"),
            ({"own_points": "[]"}, "1 to"),
            ({"points": 0}, "points is 0"),
            ({"frames": 10**6}, "frames is"),
            ({"fps": 0.0}, "fps"),
            ({"width": 0}, "size"),
        ],
    )
    def test_wrong_values(self, nodes, load, motions, error, widgets, message):
        with pytest.raises(error, match=message):
            self.tracks(nodes, load(), *motions["camera"], **widgets)

    def test_two_pictures(self, nodes, load, motions, error):
        motion, picture = motions["camera"]
        with pytest.raises(error, match="2 pictures"):
            self.tracks(nodes, load(), motion, picture.repeat(2, 1, 1, 1))


@pytest.mark.parametrize("node", ["MotionTracks", "CameraPath"])
def test_other_video_models_are_refused(nodes, motions, error, node):
    motion, picture = motions["drawn"]
    generator = nodes["LoadFrameGenerator"].execute("tiny", "fp32")[0]
    widgets = TRACKS | {"image": picture} if node == "MotionTracks" else {"format": "json"}
    with pytest.raises(error, match=r"needs a layered model.*FrameGeneratorModel.*Connect Load Layered Model"):
        nodes[node].execute(generator, motion, **widgets)


def test_the_camera_path_as_json_and_csv(nodes, load, motions):
    motion, _ = motions["camera"]
    text, plot = nodes["CameraPath"].execute(load(), motion, "json")
    said = json.loads(text)
    assert said["fps"] == 8 and len(said["frames"]) == 25
    assert said["frames"][0] == {"frame": 0, "shift_x": 0, "shift_y": 0, "zoom": 1, "rotation": 0}
    assert plot.ndim == 4 and plot.shape[0] == 1 and plot.min() < 0.5 and plot.max() == 1
    table, _ = nodes["CameraPath"].execute(load(), motion, "csv")
    assert [int(row["frame"]) for row in csv.DictReader(io.StringIO(table))] == list(range(25))


class TestTracksFromVideo:
    def shifting(self, frames=9):
        """A texture that goes 2 px to the right per frame, float [T,48,64,3]."""
        wide = torch.nn.functional.interpolate(
            torch.rand(1, 3, 12, 30, generator=torch.Generator().manual_seed(0)), (48, 120), mode="bicubic"
        )[0].clamp(0, 1)
        return torch.stack([wide[:, :, 40 - 2 * k : 104 - 2 * k] for k in range(frames)]).movedim(1, -1)

    def test_images_are_taken_as_at_fps(self, nodes):
        widgets = TRACKS | dict(width=64, height=48, frames=9, own_points="[[20, 24]]")
        text, drawn = nodes["TracksFromVideo"].execute(images=self.shifting(), **widgets)
        (track,) = json.loads(text)
        assert track[0] == {"x": 20, "y": 24}
        assert abs(track[-1]["x"] - 36) < 1.5 and abs(track[-1]["y"] - 24) < 1.5
        assert drawn.shape == (1, 48, 64, 3)

    def test_a_video_is_followed_at_its_own_rate(self, nodes):
        components = types.SimpleNamespace(images=self.shifting(), frame_rate=Fraction(8))
        video = comfy_stub.VideoFromComponents(components)
        widgets = TRACKS | dict(width=64, height=48, frames=25, own_points="[[20, 24]]")
        (track,) = json.loads(nodes["TracksFromVideo"].execute(video=video, **widgets)[0])
        assert len(track) == 25 and abs(track[12]["x"] - 28) < 1.5 and abs(track[24]["x"] - 36) < 1.5

    @pytest.mark.parametrize("given", [{}, {"images": torch.rand(5, 8, 8, 3), "video": "a video"}])
    def test_exactly_one(self, nodes, error, given):
        with pytest.raises(error, match="Tracks from Video needs exactly one"):
            nodes["TracksFromVideo"].execute(**TRACKS, **given)

    def test_one_frame_does_not_move(self, nodes, error):
        with pytest.raises(error, match="1 frame"):
            nodes["TracksFromVideo"].execute(**TRACKS, images=torch.rand(1, 32, 32, 3))

    def test_without_opencv_the_error_names_the_command(self, nodes, error, monkeypatch):
        monkeypatch.setitem(sys.modules, "cv2", None)
        with pytest.raises(error, match="pip install opencv-python-headless"):
            nodes["TracksFromVideo"].execute(**TRACKS, images=self.shifting())


class TestWhatMoves:
    def test_a_mask_for_each_picture(self, nodes, motions):
        _, picture = motions["drawn"]
        masks, shown = nodes["WhatMoves"].execute(images=picture.repeat(3, 1, 1, 1), feather=0.0)
        assert masks.shape == (3, 64, 64) and shown.shape == (3, 64, 64, 3)
        assert 0 <= masks.min() and masks.max() <= 1 and 0 <= shown.min() and shown.max() <= 1

    def test_a_video_is_taken_frame_by_frame(self, nodes):
        components = types.SimpleNamespace(images=torch.rand(4, 32, 40, 4).half(), frame_rate=Fraction(8))
        masks, shown = nodes["WhatMoves"].execute(video=comfy_stub.VideoFromComponents(components), feather=2.0)
        assert masks.shape == (4, 32, 40) and shown.shape == (4, 32, 40, 3) and masks.dtype == torch.float32

    def test_it_is_cancelled_between_frames(self, pack, nodes):
        class Interrupted(BaseException):
            pass

        bar = pack("nodes.shared.host").comfy.utils.ProgressBar.return_value
        bar.update_absolute.side_effect = [None, Interrupted]
        with pytest.raises(Interrupted):
            nodes["WhatMoves"].execute(images=torch.rand(5, 32, 32, 3), feather=0.0)
        assert bar.update_absolute.call_count == 2

    @pytest.mark.parametrize("feather", [-1.0, 101.0, float("nan"), float("inf")])
    def test_wrong_feather(self, nodes, error, feather):
        with pytest.raises(error, match="feather must be 0 to 100 px"):
            nodes["WhatMoves"].execute(images=torch.rand(1, 32, 32, 3), feather=feather)

    @pytest.mark.parametrize("given", [{}, {"images": torch.rand(1, 8, 8, 3), "video": "a video"}])
    def test_exactly_one(self, nodes, error, given):
        with pytest.raises(error, match="What Moves needs exactly one"):
            nodes["WhatMoves"].execute(feather=2.0, **given)


class TestFeather:
    @pytest.mark.parametrize("feather", [0.5, 2.0, 10.0, 100.0])
    def test_an_edge_fades_on_both_sides(self, pack, feather):
        mask = torch.zeros(40, 60)
        mask[:, 30:] = 1
        soft = pack("nodes.shared.masks").feathered(mask, feather)
        assert soft.shape == mask.shape and 0 <= soft.min() and soft.max() <= 1
        row = soft[20]
        assert (row.diff() >= -1e-6).all() and row[29] + row[30] == pytest.approx(1, abs=1e-4)
        if feather <= 10:
            far = int(feather) + 2
            assert row[29 - far] < 0.03 and row[30 + far] > 0.97

    def test_none_changes_nothing(self, pack):
        mask = torch.rand(9, 9)
        assert pack("nodes.shared.masks").feathered(mask, 0) is mask

    def test_only_what_is_marked_is_colored(self, pack):
        picture, mask = torch.full((4, 4, 3), 0.5), torch.zeros(4, 4)
        mask[0, 0] = 1
        shown = pack("nodes.shared.masks").laid_over(picture, mask)
        assert shown[0, 0, 0] > 0.6 and shown[0, 0, 2] < 0.5
        assert torch.equal(shown[1:], picture[1:])
