"""Helpers of the node layer, with a stand-in for ComfyUI."""

from __future__ import annotations

import asyncio
import gc
import re
import types
import weakref
from fractions import Fraction

import comfy_stub
import pytest
import torch
from comfy_stub import Port, VideoFromComponents, VideoFromFile


@pytest.fixture
def clips(pack):
    return pack("nodes.shared.clips")


@pytest.mark.parametrize(("video", "images", "found"), [(None, None, "neither is"), ("a video", "images", "both are")])
def test_exactly_one_clip(pack, clips, video, images, found):
    with pytest.raises(pack("dismo_core").DisMoError, match=found):
        clips.require_one("Extract Motion", video, images)


def test_a_file_is_streamed(clips, real_clip):
    assert clips.from_video(VideoFromFile(real_clip), 8, 1.5, 25, VideoFromFile) == (real_clip, 1.5, 25)


def test_what_is_no_video_is_said_as_by_the_reader(pack, clips, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(b"half a video")
    with pytest.raises(pack("dismo_core").DisMoError, match="cut.mp4"):
        clips.from_video(VideoFromFile(str(tmp_path / "cut.mp4")), 8, 0, 25, VideoFromFile)


@pytest.mark.parametrize(("asked", "read"), [(25, 12), (5, 5), (0, 12)])
def test_a_trimmed_file_is_read_within_its_window(clips, real_clip, asked, read):
    video = VideoFromFile(real_clip, window=(10.0, 2.0))
    assert clips.from_video(video, 8, 0.5, asked, VideoFromFile) == (real_clip, 10.5, read)


class OlderVideo:
    """As of versions that trim and have no word for what is left."""

    def __init__(self, file, start=0.0):
        self._file, self._start = file, start

    def get_stream_source(self):
        return self._file

    def get_components(self):
        return types.SimpleNamespace(images=torch.ones(8, 2, 2, 3), frame_rate=Fraction(8))


def test_a_trimmed_file_whose_window_nobody_tells_is_decoded(clips, real_clip):
    assert clips.from_video(OlderVideo(real_clip), 8, 1.5, 25, OlderVideo) == (real_clip, 1.5, 25)
    source, start, count = clips.from_video(OlderVideo(real_clip, 3.0), 8, 0, 0, OlderVideo)
    assert torch.equal(source, torch.ones(8, 2, 2, 3)) and (start, count) == (0, 0)


def test_a_window_of_too_few_frames(pack, clips, real_clip):
    with pytest.raises(pack("dismo_core").DisMoError, match="has 4 frames at 8 fps"):
        clips.from_video(VideoFromFile(real_clip, window=(10.0, 0.5)), 8, 0, 25, VideoFromFile)


@pytest.mark.parametrize("window", [(0.0, 0.0), (10.0, 2.0)])
def test_a_file_that_is_still_to_be_cropped_is_decoded(clips, real_clip, monkeypatch, window):
    """Also where it then has the file's own size again: a crop that is resized back."""
    monkeypatch.setattr(comfy_stub, "DECODED", torch.rand(4, 2, 2, 3))
    video = VideoFromFile(real_clip, window, crop=(0, 0, 88, 72))
    source, start, count = clips.from_video(video, 8, 0, 0, VideoFromFile)
    assert torch.equal(source, comfy_stub.DECODED) and (start, count) == (0, 0)


def test_frames_are_sampled_at_the_time_they_are_shown(clips):
    frames = torch.arange(24).view(24, 1, 1, 1)
    components = types.SimpleNamespace(images=frames, frame_rate=Fraction(24))
    source, start, count = clips.from_video(VideoFromComponents(components), 10.0, 0.25, 0, VideoFromFile)
    assert source.flatten().tolist() == [6, 8, 10, 13, 15, 18, 20, 22]
    assert (start, count) == (0, 0)


@pytest.mark.parametrize(("fps", "asked", "rate", "read"), [(24, 25, 8, 9), (4, 9, 4, 9), (4, 100, 4, 13)])
def test_the_beginning_is_read_at_no_more_than_the_rate_of_the_clip(clips, fps, asked, rate, read):
    """3.125 s at 8 frames a second: from its file, and where it is in memory."""
    from dismo_core.assets.examples import example
    from dismo_core.video import read_video

    file = str(example("drawn")[0])
    frames, told = clips.beginning(VideoFromFile(file), fps, asked, VideoFromFile)
    assert (len(frames), told, frames.dtype) == (read, rate, torch.uint8)
    whole = read_video(file).frames
    assert torch.equal(frames, whole[:: 8 // rate][:read])
    components = types.SimpleNamespace(images=whole.float() / 255, frame_rate=Fraction(8))
    in_memory, told = clips.beginning(VideoFromComponents(components), fps, asked, VideoFromFile)
    assert torch.equal(in_memory, frames) and told == rate


def test_the_beginning_of_a_trimmed_file_ends_with_its_window(clips, real_clip):
    frames, rate = clips.beginning(VideoFromFile(real_clip, window=(2.0, 1.0)), 8, 100, VideoFromFile)
    assert (len(frames), rate) == (8, 8)


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
    for place in ("motions", "motiondirector", "demo", "content_motion", "mimo/mine"):
        (folder / place).mkdir(parents=True)
        (folder / place / "other.safetensors").touch()
    for method in pack("nodes.extension").METHODS:
        for register in method.FOLDERS:
            register()
    assert model_files.choices() == ["tiny", "mine.safetensors", "old.pt"], "what other methods keep there is none"
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
    bar.update_absolute.assert_called_with(2, 50, ("JPEG", "picture", None))


def test_an_interrupt_passes_through_progress_unchanged(pack):
    class Interrupted(BaseException):
        pass

    host = pack("nodes.shared.host")
    host.comfy.utils.ProgressBar.return_value.update_absolute.side_effect = Interrupted
    with pytest.raises(Interrupted):
        host.runtime().progress(1, 2, None)


def test_only_registered_owners_are_moved(pack, monkeypatch):
    host = pack("nodes.shared.host")
    host.bring_to_device(object())
    owner, module = types.SimpleNamespace(), torch.nn.Linear(1, 1)
    host.register(owner, module)
    host.bring_to_device(owner)
    host.management.load_models_gpu.assert_not_called()  # small: it lies where it is used
    assert owner.patcher is None
    monkeypatch.setattr(host, "SMALL", 4)
    host.register(owner, module)
    host.bring_to_device(owner)
    host.management.load_models_gpu.assert_called_once_with([owner.patcher], force_full_load=True)
    assert list(owner.patcher.model.parameters()) == list(module.parameters())


def test_what_comfyui_would_give_back_is_available(pack, monkeypatch):
    host = pack("nodes.shared.host")
    gpu = torch.device("cuda", 0)
    own = types.SimpleNamespace(patcher=object())

    def loaded(size, device=gpu, model=1):
        return types.SimpleNamespace(device=device, model=model, model_loaded_memory=lambda: size)

    mine = loaded(50_000)
    monkeypatch.setattr(host.management, "LoadedModel", lambda patcher: mine)
    monkeypatch.setattr(host.management, "get_torch_device", lambda: gpu)
    monkeypatch.setattr(host.management, "get_free_memory", lambda device: 100, raising=False)
    others = [loaded(20), loaded(300, torch.device("cpu")), loaded(4000, model=None), mine]
    monkeypatch.setattr(host.management, "current_loaded_models", others, raising=False)
    assert host.runtime(own).available_memory() == 120


def test_a_registered_module_is_in_no_cycle(pack, monkeypatch):
    """ComfyUI counts on it that a patcher vanishes with its owner, and not when Python collects cycles."""
    module = torch.nn.Sequential(torch.nn.Linear(1, 1))
    monkeypatch.setattr(pack("nodes.shared.host"), "SMALL", 0)
    pack("nodes.shared.host").register(module, module)
    alive = weakref.ref(module)
    gc.disable()
    try:
        del module
        assert alive() is None
    finally:
        gc.enable()


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


def test_the_node_that_runs_is_told_by_its_context(pack, monkeypatch):
    host = pack("nodes.shared.host")
    context = types.SimpleNamespace(node_id="12")
    monkeypatch.setattr("comfy_execution.utils.get_executing_context", lambda: context)
    host.notify("It is black.")
    assert told(host) == [("It is black.", "12", "a page")]


def test_newer_versions_say_themselves_what_is_out_of_memory(pack, monkeypatch):
    host = pack("nodes.shared.host")
    monkeypatch.setattr(host.management, "is_oom", lambda error: "out of memory" in str(error), raising=False)
    with pytest.raises(RuntimeError), host.advising_on_memory():
        raise RuntimeError("accelerator: out of memory")
    assert len(told(host)) == 1


def test_out_of_memory_passes_through_with_advice(pack):
    host = pack("nodes.shared.host")
    error = torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(torch.OutOfMemoryError) as raised, host.advising_on_memory():
        raise error
    assert raised.value is error and str(error) == "CUDA out of memory."
    ((text, node, _),) = told(host)
    assert node == "7" and "fewer frames" in text and "memory setting" in text


def test_one_error_names_all_that_is_missing(pack):
    find_all, error = pack("nodes.shared.files").find_all, pack("dismo_core").DisMoError

    def missing(what, hint=""):
        raise error(f"{what} is not there.", hint=hint)

    assert find_all(lambda: 1, lambda: 2) == [1, 2]
    with pytest.raises(error, match="^the base is not there.$"):
        find_all(lambda: 1, lambda: missing("the base"))
    with pytest.raises(error, match="1. the adapter is not there. The switch `download` .*\n2. the base is not there."):
        find_all(lambda: missing("the adapter", hint="download"), lambda: missing("the base"))


def test_a_stage_shows_on_the_node_until_it_has_run(pack):
    host = pack("nodes.shared.host")
    with host.advising_on_memory():
        host.runtime().stage("decoding the video")
    assert told(host) == [("decoding the video ...", "7", "a page"), (" ", "7", "a page")]


def test_errors_say_what_to_do_on_the_page(pack):
    """ComfyUI shows what `execute` lets through: no flags, no Python."""
    nodes = {node.__name__: node for node in asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())}
    again = asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())
    assert [node.execute.__func__ for node in again] == [node.execute.__func__ for node in nodes.values()]
    with pytest.raises(Exception, match="is not in .* The switch `download` of the loader does") as error:
        nodes["LoadDisMoExtractor"].execute(model="motion_extractor_large", precision="fp32", download=False)
    assert not re.search("--|dismo weights|=True", str(error.value))
