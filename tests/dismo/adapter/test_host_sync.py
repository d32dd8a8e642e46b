"""Nothing in a denoising loop asks the device for a value: it would have to wait for all that is queued."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import dismo_core as dismo

WAITING = ("_local_scalar_dense", "nonzero", "equal.default", "masked_select", "unique")


class Watch(TorchDispatchMode):
    """Collects operations that read a value back, from `start` on."""

    def __init__(self):
        super().__init__()
        self.started, self.found, self.operations = False, [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if self.started:
            self.operations += 1
            if any(name in str(func) for name in WAITING):
                self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def test_the_watch_sees_a_value_read_back():
    with Watch() as watch:
        watch.started = True
        float(torch.ones(1) + 1)
    assert watch.found


@pytest.mark.parametrize("one_by_one", [False, True])
def test_the_cogvideox_loop_waits_for_nothing(make_adapter, one_by_one):
    adapter = make_adapter()
    adapter.sequential_guidance = one_by_one
    height, width = adapter.size

    def progress(done, *_):
        watch.started = 1 <= done < 4  # from the end of the first step to the end of the last

    with Watch() as watch:
        adapter.sample(
            motions=torch.randn(1, 5, 8),
            images=torch.zeros(1, height, width, 3),
            prompts="a prompt",
            num_frames=9,
            n_steps=4,
            progress=progress,
        )
    assert watch.operations > 100 and not watch.found


@torch.no_grad()
def test_the_frame_generator_loop_waits_for_nothing():
    generator = dismo.FrameGenerator.tiny()
    source, motion = torch.zeros(1, 64, 64, 3), torch.zeros(1, generator.d_motion)
    conditions = generator.conditions(source, motion, torch.ones(1))
    with Watch() as watch:
        watch.started = True
        generator.sample_latents(torch.randn(generator.encode(source).shape), conditions, 2)
    assert watch.operations > 100 and not watch.found
