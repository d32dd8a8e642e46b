"""Rows of videos for the held-out scenes: made, scored, and judged."""

import numpy as np
import pytest

from dismo_core import DisMoError
from dismo_core.evaluation import scene_scores
from dismo_core.evaluation.score import WANTED
from dismo_core.synthetic.held_out.scenes import Frames, Scene


def test_rows_are_made_and_scored_with_any_model(scenes: list[Scene]) -> None:
    def keep(driver: Frames, picture: Frames) -> Frames:
        return np.repeat(picture[None], len(driver), 0)

    makers = {
        "transfer": (("same", "elsewhere"), scene_scores.by_transfer(keep)),
        "true video": (("same",), scene_scores.by_control("true video")),
    }
    seen: list[tuple[int, int]] = []
    found = scene_scores.score_scenes(scenes[:2], makers, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 6) for n in range(1, 7)]
    assert set(found.rows["transfer"]) == {"same", "elsewhere"} and set(found.rows["true video"]) == {"same"}
    assert found.rows["transfer"]["same"]["pan"]["velocity_cosine"] == 0
    assert len(found.videos["transfer"]) == 4 and len(found.shown) == 2
    assert [table.row_count for table in scene_scores.tables(found.rows, 2)] == [
        2,
        2,
        3,
        3,
    ]  # elsewhere, same; "wanted" above each
    assert not scene_scores.verdict(found.rows)["same"]["pan"]["velocity_cosine"][1]


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(DisMoError, match="no control 'blur'"):
        scene_scores.by_control("blur")


def test_verdict_says_what_is_reached() -> None:
    good = dict.fromkeys(WANTED, 0.0) | {"velocity_cosine": 0.85, "end_error_percent": 30.0}
    rows = {
        "transfer": {"same": {"pan": good}},
        "motion zeroed": {"same": {"pan": {"velocity_cosine": 0.1}}},
        "motion shuffled": {"same": {"pan": {"velocity_cosine": 0.6, "velocity_change_cosine": 0.0}}},
    }
    verdict = scene_scores.verdict(rows)
    assert verdict["same"]["pan"]["velocity_cosine"] == [0.85, True]
    assert verdict["same"]["pan"]["end_error_percent"] == [30.0, False]
    assert verdict["motion zeroed"]["pan"]["velocity_cosine"] == [0.1, True]
    assert verdict["motion shuffled"]["pan"] == {"velocity_cosine": [0.6, False], "velocity_change_cosine": [0.0, True]}
