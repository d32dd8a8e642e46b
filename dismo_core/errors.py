"""The one exception family of the pack. Importable without torch."""


class DisMoError(Exception):
    """Something the caller can mend: the message says what happened (with the value), why, and what to do.

    Out-of-memory and interrupt exceptions are never turned into this one.
    """
