"""Certificates for the lab, made for the run: one authority, and one leaf for all names of this machine's loopback."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.sipcore.transports.authority import issue

DAYS = (-1, 1)
"""Around now: longer than any run, and any clock's error."""
NAMES = ("localhost", "sut.example", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority's certificate, the leaf's, the leaf's key, and the leaf's two in one."""

    ca: Path
    certificate: Path
    key: Path
    both: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.ca, self.certificate, self.key, self.both)


def make(folder: Path) -> Certificates:
    """Make an authority and a leaf in `folder`."""
    authority = issue("sipcore test authority", days=DAYS, ca=True)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH]
    leaf = issue("sipcore test server", authority, names=NAMES, days=DAYS, usages=usages)
    made = Certificates(*(folder / f"{part}.pem" for part in ("ca", "certificate", "key", "both")))
    made.ca.write_bytes(authority.pem)
    made.certificate.write_bytes(leaf.pem)
    made.key.write_bytes(leaf.key)
    made.both.write_bytes(leaf.pem + leaf.key)
    return made
