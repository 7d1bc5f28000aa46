"""Requests that the tests of this folder share."""

from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.sdp.attributes import PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description


def offer(*codecs: Codec, **changes: object) -> bytes:
    """An offer of one audio stream."""
    arguments: dict[str, object] = {"address": "192.0.2.1", "port": 4000, "session_id": 1, "session_version": 1}
    description = audio_description(codecs=codecs or (PCMU, PCMA), **(arguments | changes))  # type: ignore[arg-type]
    return bytes(description)


def request(method: str, uri: str, *fields: str, body: bytes = b"", content_type: str = "application/sdp") -> Request:
    """A request as it may come in."""
    lines = [
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "Max-Forwards: 70",
        "From: <sip:alice@192.0.2.1>;tag=1",
        f"To: <{uri}>",
        "Call-ID: c1",
        f"CSeq: 1 {method}",
        "Contact: <sip:alice@192.0.2.1>",
        *fields,
        *([f"Content-Type: {content_type}"] if body and content_type else []),
        f"Content-Length: {len(body)}",
    ]
    message = parse_message("\r\n".join([*lines, "", ""]).encode() + body)
    assert isinstance(message, Request)
    return message


def invite(user: str = "echo", body: bytes | None = None, **more: str) -> Request:
    """An INVITE of `user`, by default with an offer of PCMU and PCMA."""
    return request("INVITE", f"sip:{user}@192.0.2.4", body=offer() if body is None else body, **more)
