"""The outside corpus: test material that nobody on this project wrote, read in place and never copied.

It is found through the environment variable SIP_CORPUS, else beside the project; where it is absent, tests skip.
"""

import base64
import gzip
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(os.environ.get("SIP_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")

needs_corpus = pytest.mark.skipif(
    not (ROOT / "cases").is_dir(), reason=f"no conformance corpus at {ROOT}: set SIP_CORPUS to its folder"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled input. `expect` is accept or reject; `checks` is what its source says about it."""

    id: str
    data: bytes
    expect: str
    source: str
    checks: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def text(self) -> str:
        """The input as text, bytes that are not UTF-8 as surrogates."""
        return self.data.decode("utf-8", "surrogateescape")


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON lines file, gzipped or not."""
    data = path.read_bytes()
    yield from map(json.loads, (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines())


def labelled(kind: str) -> list[Case]:
    """The cases of a kind (uri, header, message, sdp) whose label is sure: no doubt about it, no conflict."""
    return [
        Case(row["id"], base64.b64decode(row["bytes_b64"]), row["expect"], row["source"], row.get("checks") or {})
        for row in read_jsonl(ROOT / "cases" / f"{kind}.jsonl")
        if row["expect"] in ("accept", "reject") and not row.get("suspect_label") and not row.get("conflict")
    ]


def mutations() -> Iterator[tuple[str, bytes]]:
    """The PROTOS c07-sip mutations of INVITE: id and bytes."""
    for row in read_jsonl(ROOT / "protos_c07.jsonl.gz"):
        yield row["id"], base64.b64decode(row["bytes_b64"])


def recorded() -> Iterator[tuple[str, bytes]]:
    """The messages that real servers sent: archive and file name, and bytes."""
    for archive in sorted((ROOT / "servers").glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            for member in members:
                opened = members.extractfile(member) if member.name.endswith(".sip") else None
                if opened is not None:
                    yield f"{archive.name}/{member.name}", opened.read()
