"""Why a WebSocket did not open: RFC 6455 §4, RFC 7118 §4.1. Values only, so that whoever judges a failure needs no
WebSocket library.
"""

from enum import Enum

from sipcore.errors import FailureReason, TransportFailure


class WsProblem(Enum):
    """What is wrong: (for people, what to try)."""

    NOT_HTTP = (
        "the port does not speak HTTP, which a WebSocket begins with",
        "try TCP or UDP on this port, or WSS where this was WS",
    )
    SILENT = (
        "the connection is there, but the request for a WebSocket gets no answer",
        "the port may be one of plain SIP: try TCP or TLS",
    )
    NOT_FOUND = (
        "there is no WebSocket at this path",
        "try another path: /ws is Asterisk's, / is usual elsewhere",
    )
    UNAUTHORIZED = (
        "the web server wants credentials before it opens a WebSocket",
        "give an Authorization or Cookie header field that it accepts",
    )
    FORBIDDEN = (
        "the web server refuses to open a WebSocket",
        "it may want an Origin that it knows, or be at another path",
    )
    REFUSED = (
        "a web server answers, but does not open a WebSocket",
        "try another path or port: /ws is Asterisk's, / is usual elsewhere",
    )
    NO_SIP = (
        "a WebSocket opens, but the peer does not agree to speak SIP over it",
        "another path may lead to SIP: /ws is Asterisk's, / is usual elsewhere",
    )
    HANDSHAKE = (
        "the handshake of the WebSocket is not valid",
        "something that does not know WebSockets may stand in between, such as a web proxy",
    )

    def __init__(self, text: str, advice: str) -> None:
        self.text = text
        self.advice = advice


_BY_STATUS = {
    401: WsProblem.UNAUTHORIZED,
    403: WsProblem.FORBIDDEN,
    404: WsProblem.NOT_FOUND,
    407: WsProblem.UNAUTHORIZED,
}


def problem_of(status: int) -> WsProblem:
    """What an HTTP status other than 101 means."""
    return _BY_STATUS.get(status, WsProblem.REFUSED)


class WsFailure(TransportFailure):
    """TCP works, and TLS if there is any, but the WebSocket does not open. `ws` is what explains it.

    `status` and `phrase` are those of the HTTP answer, None and empty without one.
    """

    def __init__(
        self,
        ws: WsProblem,
        where: object,
        detail: str = "",
        *,
        status: int | None = None,
        phrase: str = "",
        reason: FailureReason = FailureReason.GARBAGE,
    ) -> None:
        story = f"{ws.text} ({detail})" if detail else ws.text
        super().__init__(reason, f"{where}: {story}: {ws.advice}", section="RFC 7118 §4.1")
        self.ws = ws
        self.detail = detail
        self.status = status
        self.phrase = phrase
