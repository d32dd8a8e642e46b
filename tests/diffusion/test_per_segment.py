"""Texts for the segments of a long video."""

import logging

import pytest

import dismo_core as dismo
from dismo_core.diffusion.per_segment import PerSegment


def test_one_text_is_left_as_it_is_and_serves_all():
    one = PerSegment.read(" a fox ")
    assert [one.of(i, i * 3.0) for i in range(3)] == [" a fox "] * 3


def test_one_each_and_the_last_one_holds():
    three = PerSegment.read("a fox | |it sleeps")
    assert [three.of(i, 0.0) for i in range(5)] == ["a fox", "", "it sleeps", "it sleeps", "it sleeps"]


def test_from_seconds_on():
    timed = PerSegment.read("1s: rain | 2.5 s: sun: a lot | 10s: snow")
    assert [timed.of(0, t) for t in (0, 1, 2.4, 2.5, 9.9, 10, 99)] == [
        "rain", "rain", "rain", "sun: a lot", "sun: a lot", "snow", "snow",
    ]  # fmt: skip


def test_a_colon_alone_is_no_second():
    assert PerSegment.read("a sign: 4s | b").of(0, 0) == "a sign: 4s"


@pytest.mark.parametrize(
    ("text", "message"),
    [("0s: a | b", "'b' has no second"), ("4s: a | 2s: b", "4, 2 do not rise"), ("1s: a | 1s: b", "1, 1 do not rise")],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(dismo.DisMoError, match=message):
        PerSegment.read(text)


def test_what_no_segment_takes_is_said(caplog):
    with caplog.at_level(logging.WARNING):
        PerSegment.read("a | b | c").tell_unused({"a", "b"}, "prompt")
    assert caplog.messages == ["No segment takes the prompt 'c': the video has too few segments for it."]
