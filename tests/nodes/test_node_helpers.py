"""Helpers of the node layer, with a stand-in for ComfyUI."""

from __future__ import annotations

import asyncio
import re
import types
from fractions import Fraction

import pytest
import torch
from comfy_stub import Port, VideoFromComponents, VideoFromFile


@pytest.fixture
def clips(pack):
    return pack("nodes.shared.clips")


@pytest.mark.parametrize(("video", "images", "found"), [(None, None, "neither is"), ("a video", "images", "both are")])
def test_exactly_one_clip(pack, clips, video, images, found):
    with pytest.raises(pack("dismo_core").DisMoError, match=found):
        clips.require_one(video, images)


def test_a_file_is_streamed(clips, real_clip):
    assert clips.from_video(VideoFromFile(real_clip), 8, 1.5, 25, VideoFromFile) == (real_clip, 1.5, 25)


def test_what_is_no_video_is_said_as_by_the_reader(pack, clips, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(b"half a film")
    with pytest.raises(pack("dismo_core").DisMoError, match="cut.mp4"):
        clips.from_video(VideoFromFile(str(tmp_path / "cut.mp4")), 8, 0, 25, VideoFromFile)


@pytest.mark.parametrize(("asked", "read"), [(25, 12), (5, 5), (0, 12)])
def test_a_trimmed_file_is_read_within_its_window(clips, real_clip, asked, read):
    video = VideoFromFile(real_clip, window=(10.0, 2.0))
    assert clips.from_video(video, 8, 0.5, asked, VideoFromFile) == (real_clip, 10.5, read)


def test_a_trimmed_file_whose_window_nobody_tells_is_decoded(clips, real_clip):
    class Trims(VideoFromFile):
        """As of versions that trim and have no word for what is left."""

        get_active_trim_window = None
        seconds = 4.0

        def as_trimmed(self):
            pass

        def get_duration(self):
            return self.seconds

    video = Trims(real_clip)
    assert clips.from_video(video, 8, 1.5, 25, Trims) == (real_clip, 1.5, 25)
    video.seconds = 1.0
    components = types.SimpleNamespace(images=torch.rand(8, 2, 2, 3), frame_rate=Fraction(8))
    video.get_components = lambda: components
    source, start, count = clips.from_video(video, 8, 0, 0, Trims)
    assert torch.equal(source, components.images) and (start, count) == (0, 0)


def test_a_window_of_too_few_frames(pack, clips, real_clip):
    with pytest.raises(pack("dismo_core").DisMoError, match="has 4 frames at 8 fps"):
        clips.from_video(VideoFromFile(real_clip, window=(10.0, 0.5)), 8, 0, 25, VideoFromFile)


def test_a_file_with_a_crop_pending_is_decoded(clips, real_clip):
    components = types.SimpleNamespace(images=torch.rand(4, 2, 2, 3), frame_rate=Fraction(8))
    video = VideoFromFile(real_clip, size=(4, 4))
    video.get_components = lambda: components
    source, start, count = clips.from_video(video, 8, 0, 0, VideoFromFile)
    assert torch.equal(source, components.images) and (start, count) == (0, 0)


def test_frames_are_sampled_at_the_time_they_are_shown(clips):
    frames = torch.arange(24).view(24, 1, 1, 1)
    components = types.SimpleNamespace(images=frames, frame_rate=Fraction(24))
    source, start, count = clips.from_video(VideoFromComponents(components), 10.0, 0.25, 0, VideoFromFile)
    assert source.flatten().tolist() == [6, 8, 10, 13, 15, 18, 20, 22]
    assert (start, count) == (0, 0)


def test_sampling_after_the_end_gives_no_frames(clips):
    assert len(clips.sample(torch.zeros(8, 1, 1, 3), 8, 8, 2.0)) == 0


def test_audio_is_cut_to_the_video(pack):
    audio = {"waveform": torch.rand(1, 2, 1000), "sample_rate": 100}
    cut = pack("nodes.shared.audio").cut
    assert cut(audio, Fraction(25, 8))["waveform"].shape == (1, 2, 313)
    assert cut(audio, Fraction(20))["waveform"].shape == (1, 2, 1000)
    assert cut(None, Fraction(1)) is None


def test_choices_are_bundled_names_and_files_on_disk(pack, tmp_path):
    model_files = pack("nodes.dismo.model_files")
    folder = tmp_path / "models/dismo"
    folder.mkdir(parents=True)
    for name in ("mine.safetensors", "old.pt", "notes.txt"):
        (folder / name).touch()
    model_files.register_folder()
    assert model_files.choices() == ["tiny", "mine.safetensors", "old.pt"]
    assert model_files.resolve("tiny") == "tiny"
    assert model_files.resolve("old.pt") == str(folder / "old.pt")
    assert model_files.fingerprint("tiny") == "tiny"
    assert model_files.fingerprint("old.pt").startswith("old.pt@")


def test_search_aliases_only_where_the_schema_knows_them(pack, monkeypatch):
    compat = pack("nodes.shared.compat")
    assert compat.aliases("a") == {}
    newer = types.SimpleNamespace(Schema=lambda node_id, search_aliases: None)
    monkeypatch.setattr(compat, "io", newer)
    assert compat.aliases("a", "b") == {"search_aliases": ["a", "b"]}


def test_advanced_is_marked_without_the_constructor(pack):
    assert pack("nodes.shared.compat").advanced(Port("x")).extra_dict == {"advanced": True}


def test_one_progress_call_carries_step_and_preview(pack):
    host = pack("nodes.shared.host")
    runtime = host.runtime()
    bar = host.comfy.utils.ProgressBar.return_value
    runtime.progress(1, 50, None)
    bar.update_absolute.assert_called_with(1, 50, None)
    runtime.progress(2, 50, "picture")
    bar.update_absolute.assert_called_with(2, 50, ("JPEG", "picture", 512))


def test_an_interrupt_passes_through_progress_unchanged(pack):
    class Interrupted(BaseException):
        pass

    host = pack("nodes.shared.host")
    host.comfy.utils.ProgressBar.return_value.update_absolute.side_effect = Interrupted
    with pytest.raises(Interrupted):
        host.runtime().progress(1, 2, None)


def test_only_registered_owners_are_moved(pack):
    host = pack("nodes.shared.host")
    host.bring_to_device(object())
    host.management.load_models_gpu.assert_not_called()
    owner, module = types.SimpleNamespace(), torch.nn.Linear(1, 1)
    host.register(owner, module)
    host.bring_to_device(owner)
    host.management.load_models_gpu.assert_called_once_with([owner.comfy_patcher], force_full_load=True)
    assert owner.comfy_patcher.model.module is module


def told(host):
    """What the running node of the stand-in, 7, was told to show."""
    from server import PromptServer

    return [call.args for call in PromptServer.instance.send_progress_text.call_args_list]


def test_a_warning_stands_on_the_node_until_it_is_taken_away(pack, caplog):
    host = pack("nodes.shared.host")
    host.notify(None)
    assert told(host) == []
    host.notify("It is black.")
    host.notify(None)
    host.notify(None)
    assert told(host) == [("It is black.", "7", "a page"), (" ", "7", "a page")]
    assert [record.getMessage() for record in caplog.records] == ["DisMo: It is black."]


def test_out_of_memory_passes_through_with_advice(pack):
    host = pack("nodes.shared.host")
    error = torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(torch.OutOfMemoryError) as raised, host.advising_on_memory():
        raise error
    assert raised.value is error and str(error) == "CUDA out of memory."
    ((text, node, _),) = told(host)
    assert node == "7" and "fewer frames" in text and "memory setting" in text


def test_errors_say_what_to_do_on_the_page(pack):
    """ComfyUI shows what `execute` lets through: no flags, no Python."""
    nodes = {node.__name__: node for node in asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())}
    again = asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())
    assert [node.execute.__func__ for node in again] == [node.execute.__func__ for node in nodes.values()]
    with pytest.raises(Exception, match="is not in .* The switch `download` of the loader does") as error:
        nodes["LoadDisMoExtractor"].execute(model="motion_extractor_large", precision="fp32", download=False)
    assert not re.search("--|dismo weights|=True", str(error.value))
