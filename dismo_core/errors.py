"""The one exception family of the pack. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping

# What to do, in the words of a Python program. The command line and the nodes have tables of the same keys: what one
# front end has no words for, it leaves out.
PYTHON = {
    "autoencoder": "Name the folder that holds it (autoencoder=), or allow the download (download=True).",
    "check shards": "dismo_core.data.check.check_shards says what is in the shards.",
    "captions": "Choose one with captions=.",
    "convert": "dismo_core.weights.convert.convert({source!r}, {target!r}) writes it so.",
    "download": "Allow the download: download=True.",
    "extractor": "Give one: motion_extractor=load_motion_extractor(...).",
    "fetch again": "With download=True its loader fetches it.",
    "make preset": "motion_preset({name!r}, extractor) makes it for the extractor of that model.",
    "make shards": "dismo_core.data.write.write_shards makes them of a folder of videos.",
    "other base": "Allow the download: download=True.",
    "overwrite": "Or allow overwriting: overwrite=True.",
    "place": "{function} reads it.",
    "port": "Set MASTER_PORT to another.",
    "skip bad": "With skip_bad=True the others are used.",
    "trim": "Or use the first {frames}: mode 'trim'.",
}


class DisMoError(Exception):
    """Something the caller can mend: the message says what happened (with the value), why, and what to do.

    Where what to do is called otherwise on the command line, in ComfyUI and in Python, the message leaves it to a hint, for
    which each of them has a sentence of its own. Out-of-memory and interrupt exceptions are never turned into this one.

    Args:
        message: without words that belong to one front end.
        hint: key of `PYTHON` and of the other front ends' tables; empty = there is no more to say.
        about: values that the sentences name.
    """

    def __init__(self, message: str = "", *, hint: str = "", **about: str) -> None:
        super().__init__(message)
        self.hint = hint
        self.about = about
        self.sentences: Mapping[str, str] = PYTHON

    def spoken(self, sentences: Mapping[str, str]) -> DisMoError:
        """This error, from now on with another front end's sentences.

        Args:
            sentences: hint -> sentence; {names} in it stand for the values of `about`.
        """
        self.sentences = sentences
        return self

    def __str__(self) -> str:
        sentence = self.sentences.get(self.hint, "").format(**self.about)
        return f"{super().__str__()} {sentence}".rstrip()


def first_line(error: BaseException) -> str:
    """What an exception of another library says, without the stack that torch adds; at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
