"""What `dismo transfer` writes: sound, back and forth, PNG files."""

import pytest
import torch
from PIL import Image

import dismo_core as dismo
from dismo_core.cli.main import main
from dismo_core.video import Audio
from dismo_core.video.png_frames import write_frames


@pytest.fixture
def transfer(tmp_path, photograph):
    """Function: options and output -> exit code and path."""
    clip = tmp_path / "clip.mp4"
    frames = torch.randint(0, 256, (16, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    tone = torch.cat((torch.zeros(8000), torch.sin(torch.arange(8000) * 0.3))).expand(1, -1)
    dismo.write_video(clip, frames, 8, audio=Audio(tone.contiguous(), 8000))

    def run(*options, out="out.mp4"):
        words = ["transfer", "--motion", str(clip), "--image", str(photograph), "--frames", "6"]
        return main([*words, "-o", f"{tmp_path}/{out}", *options]), tmp_path / out

    return run


def test_sound_is_that_of_the_clip_from_the_start_on(transfer, capsys):
    """Silent for a second, then a tone: the video begins a quarter of a second before it."""
    code, out = transfer("--audio", "keep", "--start", "0.75")
    assert code == 0 and "with the sound of the clip" in capsys.readouterr().out
    sound = dismo.read_video(out, audio=True).audio
    loud = sound.waveform[0].abs()
    rate = sound.sample_rate
    assert abs(loud.shape[0] / rate - 6 / 8) < 0.05
    assert float(loud[: rate // 5].max()) < 0.05 < 0.3 < float(loud[rate // 3 : rate // 2].mean())


def test_without_asking_there_is_no_sound(transfer):
    assert dismo.read_video(transfer()[1], audio=True).audio is None


def test_back_and_forth_without_doubled_ends(transfer, tmp_path):
    once, there_and_back = (transfer(*options, out=out)[1] for options, out in (((), "a/"), (["--ping-pong"], "b/")))
    names = sorted(path.name for path in there_and_back.iterdir())
    assert names == [f"{n:05d}.png" for n in range(1, 11)]
    pixels = {path.name: path.read_bytes() for path in once.iterdir()}
    order = [1, 2, 3, 4, 5, 6, 5, 4, 3, 2]
    assert [path.read_bytes() for path in sorted(there_and_back.iterdir())] == [pixels[f"{n:05d}.png"] for n in order]


def test_png_files_come_whole_or_not_at_all(tmp_path):
    frames = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)
    folder = tmp_path / "frames"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_frames(folder, frames, progress=stop)
    assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    write_frames(folder, frames)  # into an empty folder
    with Image.open(folder / "00002.png") as picture:
        assert picture.mode == "RGB" and picture.tobytes() == frames[1].numpy().tobytes()
    with pytest.raises(dismo.DisMoError, match="holds frames already"):
        write_frames(folder, frames)
    write_frames(folder, frames[:2], overwrite=True)
    assert len(list(folder.iterdir())) == 2 and list(tmp_path.iterdir()) == [folder]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(dismo.DisMoError, match="notes.txt, which is no frame"):
        write_frames(folder, frames, overwrite=True)
    assert (folder / "notes.txt").exists()
    with pytest.raises(dismo.DisMoError, match="is a file"):
        write_frames(folder / "notes.txt", frames)
