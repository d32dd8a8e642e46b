"""A fit that is killed ten times, then ends. Run as a program: nothing here works out a gradient before it forks.

python killed_fit.py FOLDER_OF_CHECKPOINTS MODEL
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from dismo_core.assets.examples import example_clip
from dismo_core.gaussians4d.clip import prepare_clip, read_rgba
from dismo_core.gaussians4d.fit_clip import FitSettings, fit_clip
from dismo_core.runtime import Runtime

KILLS = 10
SETTINGS = FitSettings(steps=50, count=200, size=32)


def killed(clip, folder, number):
    """Fit in a process of its own, which is killed at any moment after its third step."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        runtime = Runtime.cpu()
        runtime.progress = lambda done, total, preview: os.write(write, b".")
        fit_clip(clip, SETTINGS, runtime=runtime, folder=folder, save_every=1)
        os._exit(0)
    os.close(write)
    for _ in range(3):
        assert os.read(read, 1), "the fit ended by itself"
    time.sleep(random.Random(number).uniform(0, 0.05))
    os.kill(process, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(process, 0)[1]), "the fit was done before it was killed"
    os.close(read)


def main():
    folder, model = map(Path, sys.argv[1:])
    clip = prepare_clip(*read_rgba(example_clip("fish")), frames=5)
    for number in range(KILLS):
        killed(clip, folder, number)
    fit_clip(clip, SETTINGS, folder=folder, save_every=1).save(model)


if __name__ == "__main__":
    main()
