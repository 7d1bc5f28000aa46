"""Passwords for SIP accounts: long enough, and of characters that survive every place that one is written to."""

from collections.abc import Callable

from sipcore.errors import LocalError

LEAST, STANDARD, LONG, MOST = 8, 16, 32, 256
"""Characters."""
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_"
"""Without 0, O, 1, l and I, which look alike, and without what has to be escaped in a URI, a shell or the files of a
PBX: 59 characters, 5.9 bits each."""
RandomBytes = Callable[[int], bytes]
"""So many octets that nobody can guess, as `os.urandom` gives them."""
_SAFE = 256 - 256 % len(ALPHABET)
"""Octets from here on would make the first characters of the alphabet likelier than the others."""


def clamped(length: int) -> int:
    """The nearest length that a password may have."""
    return min(max(length, LEAST), MOST)


def password(length: int, random_bytes: RandomBytes) -> str:
    """A password of so many characters, each as likely as any other. It begins and ends with a letter or digit, so that
    it is no option of a command, and is selected whole. Raises LocalError for a length that none may have.
    """
    if length != clamped(length):
        raise LocalError(f"a password of {length} characters: give {LEAST} to {MOST}", section="RFC 8760 §2.1")
    while True:
        made = _characters(length, random_bytes)
        if made[0].isalnum() and made[-1].isalnum():
            return made


def _characters(length: int, random_bytes: RandomBytes) -> str:
    found = ""
    while len(found) < length:
        octets = random_bytes(2 * (length - len(found)))
        found += "".join(ALPHABET[octet % len(ALPHABET)] for octet in octets if octet < _SAFE)
    return found[:length]
