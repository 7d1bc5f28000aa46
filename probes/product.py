"""What the prober calls itself on the wire, honestly: who filters it does so knowingly."""

from importlib.metadata import PackageNotFoundError, version

NAME = "sipprobe"
DISTRIBUTION = "sipcore"
"""The installed package whose version it has."""


def product_of(distribution: str = DISTRIBUTION) -> str:
    """`sipprobe/<version>` (RFC 3261 §20.41), without the version where nothing is installed under that name."""
    try:
        return f"{NAME}/{version(distribution)}"
    except PackageNotFoundError:
        return NAME


PRODUCT = product_of()
"""The User-Agent of every request."""
