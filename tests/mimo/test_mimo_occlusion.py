"""What stands in front: the published rule, threshold by threshold."""

import numpy as np
import pytest
from mimo_goldens import golden

from dismo_core import DisMoError, mimo
from dismo_core.mimo.templates.fragments import count_fragments, largest_fragment


def occlusion_inputs():
    """Person, segments, depth and body of the golden choice."""
    person = golden("occlusion.person")
    segments = np.zeros((len(golden("occlusion.segments")), *person.shape), bool)
    for segment, (y0, y1, x0, x1) in zip(segments, golden("occlusion.segments"), strict=True):
        segment[y0:y1, x0:x1] = True
    body = np.zeros(person.shape, bool)
    y0, y1, x0, x1 = golden("occlusion.body_box")
    body[y0:y1, x0:x1] = True
    return person, segments, golden("occlusion.depth"), body


def fragment_masks():
    """Masks of as many fragments as the golden frames have."""
    masks = []
    for count in golden("occlusion.fragments"):
        mask = np.zeros((120, 140), np.uint8)
        for j in range(count):
            y, x = 3 + 12 * (j // 11), 3 + 12 * (j % 11)
            mask[y : y + 4, x : x + 4] = 255
        masks.append(mask)
    return np.stack(masks)


def test_the_published_choice():
    kept, front = mimo.occluders(*occlusion_inputs())
    assert kept == golden("occlusion.kept").tolist()
    assert np.array_equal(front, golden("occlusion.union"))


def choice(segment, *, depth=200, person_size=40):
    """Whether a segment, given as (y0, y1, x0, x1) slices and near as `depth`, is kept before a person at depth 100."""
    person, body = np.zeros((200, 200), np.uint8), np.zeros((200, 200), bool)
    person[60 : 60 + person_size, 60 : 60 + person_size] = 255
    body[60:140, 60:140] = True
    mask = np.zeros((1, 200, 200), bool)
    y0, y1, x0, x1 = segment
    mask[0, y0:y1, x0:x1] = True
    levels = np.full((200, 200), 50, np.uint8)
    levels[person > 0] = 100
    levels[mask[0] & (person == 0)] = depth
    return mimo.occluders(person, mask, levels, body)[0] == [0]


@pytest.mark.parametrize(
    ("passes", "fails"),
    [
        (((110, 122, 110, 122), {}), ((110, 122, 110, 122), {"depth": 99})),  # nearer than the person
        (((110, 122, 110, 122), {}), ((110, 119, 110, 119), {})),  # 100 px of the body
        (
            ((110, 130, 100, 200), {}),
            ((125, 140, 120, 200), {"person_size": 30}),
        ),  # 600 px where larger than the person
    ],
)
def test_thresholds(passes, fails):
    assert choice(passes[0], **passes[1])
    assert not choice(fails[0], **fails[1])


def test_the_person_is_not_in_front_of_itself():
    assert not choice((60, 100, 60, 100))
    assert not choice((60, 100, 60, 135))  # more than 80 % of the person


def test_frames_with_most_fragments():
    assert mimo.occlusion_frames(fragment_masks(), 5, 4) == golden("occlusion.frames").tolist()


def test_fragments_are_those_of_opencv():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the reference here; it comes with the extra `test`")
    state = np.random.RandomState(0)
    for _ in range(60):
        mask = (state.rand(20, 31) < state.rand()).astype(np.uint8)
        count, labels = cv2.connectedComponents(mask, connectivity=8)
        assert count_fragments(mask) == count - 1
        assert largest_fragment(mask).sum() == max(np.bincount(labels.ravel())[1:], default=0)


def test_bad_masks():
    zeros = np.zeros((4, 4), np.uint8)
    with pytest.raises(DisMoError, match="known depth"):
        mimo.occluders(zeros + 1, np.zeros((1, 4, 4), bool), zeros, zeros > 0)
    with pytest.raises(DisMoError, match=r"\[1, 4, 5\]"):
        mimo.occluders(zeros + 1, np.zeros((1, 4, 5), bool), zeros + 1, zeros > 0)
