"""The one exception family of the pack. Importable without torch."""


class DisMoError(Exception):
    """Something the caller can mend: the message says what happened (with the value), why, and what to do.

    Out-of-memory and interrupt exceptions are never turned into this one.
    """


def first_line(error: BaseException) -> str:
    """What an exception of another library says, without the stack that torch adds; at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
