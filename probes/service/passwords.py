"""Passwords out of the randomness of this host."""

import os

from probes.trunks.passwords import clamped, password


def new_password(length: int) -> str:
    """One that nobody has yet; its length is kept within its bounds."""
    return password(clamped(length), os.urandom)
