"""What discovery asks for what purpose, in words: the names are for programs, and say little to people."""

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "options": "a plain OPTIONS",
    "repeated": "the first OPTIONS once more",
    "inconspicuous": "an OPTIONS without what filters look for",
    "small": "an OPTIONS of the usual size, beside large ones",
    "server": "an OPTIONS for the server itself",
    "call": "an INVITE",
    "no-hops": "an OPTIONS that may go no further",
    "extension": "an OPTIONS that needs an extension nobody has",
    "dialog": "an OPTIONS in a dialog that is not there",
    "spelling": "an OPTIONS whose field names are written oddly",
    "timestamp": "an OPTIONS that asks how long the answer took",
    "stranger": "an OPTIONS for a user nobody knows",
    "scheme": "an OPTIONS for a URI of an unknown scheme",
    "elsewhere": "an OPTIONS for a domain that does not exist",
    "method": "a request with a method nobody knows",
    "registrations": "a REGISTER that asks what is registered",
}
"""By purpose (`Asked.purpose`), those of large requests apart."""


def title_of(purpose: str) -> str:
    """What is asked for a purpose, as it stands behind "for"."""
    size, _, unit = purpose.partition(" ")
    if unit == "bytes" and size.isdecimal():
        return f"an OPTIONS of {int(size):,} bytes"
    return TITLES.get(purpose, purpose)


def evidence_told(told: str) -> str:
    """A piece of evidence for a product, with what was asked in words and its name behind: `to no-hops: …` says it by
    that name alone.
    """
    asked, colon, seen = told.removeprefix("to ").partition(": ")
    if not (told.startswith("to ") and colon and asked in TITLES):
        return told
    return f"to {TITLES[asked]} ({asked}): {seen}"
