"""The gates of the tiny base open for clips that are right and stay shut for clips that are not."""

import torch

from dismo_core.evaluation.objects import see_objects
from dismo_core.synthetic.captioned import draw_captioned
from dismo_core.synthetic.draws import Draws
from dismo_core.text_to_video.gates import SEED, autoencoder_gate, coherence_gate, same_way, transfer_gate, words_gate

CLIPS = 8


def drawn(offset):
    """Samples that are just what each gate's captions say."""
    return lambda captions, seed: draw_captioned(CLIPS, Draws(SEED + offset)).rendered()


def shuffled(offset):
    return lambda captions, seed: drawn(offset)(captions, seed)[
        :, torch.randperm(16, generator=torch.Generator().manual_seed(3))
    ]


def test_right_clips_pass():
    assert all(row.value == row.ceiling for row in autoencoder_gate(lambda frames: frames, CLIPS).values())
    coherence = coherence_gate(drawn(1), clips=CLIPS)
    assert all(row.value == row.ceiling for row in coherence.values())
    assert coherence["steady"].value == coherence["color"].value == 1
    assert words_gate(drawn(2), CLIPS)["move"].value == 1


def test_shuffled_clips_are_steady_and_not_smooth():
    rows = coherence_gate(shuffled(1), clips=CLIPS)
    assert rows["steady"].value == 1
    assert rows["smooth"].value < 0.5 * rows["smooth"].ceiling
    assert words_gate(shuffled(2), CLIPS)["move"].value < 0.5


def test_an_empty_picture_passes_nothing():
    rows = coherence_gate(lambda captions, seed: torch.ones(len(captions), 16, 64, 64, 3), clips=CLIPS)
    assert rows["steady"].value == rows["smooth"].value == rows["color"].value == 0


def test_the_same_way_is_told_from_its_reverse():
    seen = see_objects(draw_captioned(CLIPS, Draws(SEED + 2)).rendered())
    back = see_objects(draw_captioned(CLIPS, Draws(SEED + 2)).rendered().flip(1))
    straight = same_way(seen, seen) > 0.5
    assert straight.any()
    assert torch.allclose(same_way(seen, seen)[straight], torch.ones(int(straight.sum())), atol=1e-5)
    assert same_way(back, seen)[straight].mean() < 0  # a swing may be its own reverse


def test_transfer_is_the_way_of_the_clip_that_was_learned():
    still = draw_captioned(4, Draws(1)).between(0, 1).rendered().expand(-1, 16, -1, -1, -1)

    def adapted(clip):
        assert len(clip.move) == 1
        return lambda captions, seed: clip.rendered().expand(len(captions), -1, -1, -1, -1)

    rows = transfer_gate(lambda captions, seed: still, adapted, moves=("growing", "moving left"), prompts=2)
    for move in ("growing", "moving left"):
        for measure in ("way", "fidelity"):
            learned, alone = rows[f"{move}, {measure}, scale 1"], rows[f"{move}, {measure}, scale 0"]
            assert learned.value > 0.99 and alone.value == 0
            assert learned.ceiling > learned.chance + 0.3 and learned.count == 2
        assert rows[f"{move}, the clip's color, scale 1"].value == 1
    assert rows["all, way, scale 1"].value > 0.99 and rows["all, way, scale 1"].count == 4
