"""The answers and banners of `fixtures/fingerprints`, by the key of the signature that they are for."""

import tomllib
from pathlib import Path
from typing import Any

from probes.fingerprint.signatures import reaction, signatures
from sipcore.message.message import Response
from sipcore.message.parser import parse_message

FOLDER = Path(__file__).parents[3] / "fixtures" / "fingerprints"


def answers() -> dict[str, Response]:
    """The answers by the names of their files."""
    read = {path.stem: parse_message(path.read_bytes()) for path in sorted(FOLDER.glob("*.sip"))}
    return {name: message for name, message in read.items() if isinstance(message, Response)}


def key_of(name: str) -> str:
    """The signature that an answer's file is named after: the longest key that its name begins with."""
    keys = [key for key in signatures().by_key if name == key or name.startswith(f"{key}-")]
    return max(keys, key=len)


def banners() -> dict[str, list[dict[str, Any]]]:
    """For each signature, banners and what they say."""
    return tomllib.loads((FOLDER / "banners.toml").read_text("utf-8"))


def reactions() -> dict[str, list[tuple[str, str]]]:
    """For each signature, features of answers to the requests of deep mode: by what name, and the text."""
    read = tomllib.loads((FOLDER / "reactions.toml").read_text("utf-8"))
    return {
        key: [(reaction(row["to"], row.get("see", "status-line")), row["text"]) for row in rows]
        for key, rows in read.items()
    }
