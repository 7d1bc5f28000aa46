"""Errors: whose fault it is, which rule was broken, and where.

`LocalError`: the caller asked for something illegal. `RemoteError`: the peer, or the network on the way to it, did
something that cannot be worked with. They are plain classes, not dataclasses: a frozen one breaks when it is raised
through a context manager.
"""

import re
from enum import Enum
from typing import Self

from sipcore.covering import cover_unread

EXCERPT_CHARACTERS = 64
"""How much of an offending text an error quotes: enough to recognise it, too little to flood a log."""


def encodable(text: str) -> str:
    r"""`text` as Unicode demands it, for people and data formats: bytes that were not UTF-8 written as `\xNN`."""
    return text if text.isascii() else re.sub(r"[\ud800-\udfff]", _escaped, text)


def quoted(text: str) -> str:
    r"""`text` in quotes, for a message: what is not printable is escaped, bytes that were not UTF-8 as `\xNN`."""
    return re.sub(r"\\(?:udc(?P<octet>[89a-f][0-9a-f])|.)", _octet, repr(text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _octet(found: re.Match[str]) -> str:
    """An escape of `repr`, a backslash that stood in the text among them."""
    return f"\\x{found['octet']}" if found["octet"] else found[0]


class SipError(Exception):
    """Any error of this package. `section` names the rule, as in `RFC 3261 §8.1.1.5`."""

    def __init__(self, message: str, *, section: str) -> None:
        self.message = encodable(message)
        self.section = section
        super().__init__(self.message)

    def kept(self) -> Self:
        """The same error, to be kept and handed on as a value: without the frames that it and its causes came through.

        They hold what was at work there, sockets and TLS engines too, and what was at work holds the error: nobody but
        the garbage collector would ever free them. What else was being handled when it was raised is let go, and not
        changed: that may be somebody else's.
        """
        error: BaseException | None = self
        while error is not None:
            error.__traceback__ = error.__context__ = None
            error = error.__cause__
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """How it is copied, and handed to another process: as it is, since its arguments do not make it once more.

        Where it comes from, `__cause__` and the traceback, stays behind, as with all exceptions.
        """
        return _bare, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        return f"{self.message} [{self.section}]"


def _bare(kind: type[SipError], args: tuple[object, ...]) -> SipError:
    """An error of this kind before anything is put into it."""
    return kind.__new__(kind, *args)


class LocalError(SipError):
    """The caller asked for something that SIP does not allow; nothing was sent."""


def require_kind(given: object, kind: type, hint: str, *, section: str) -> None:
    """Raises LocalError for what an owner has given in place of a `kind`; `hint` tells how to make one."""
    if not isinstance(given, kind):
        raise LocalError(f"{kind.__name__} is wanted here, not {type(given).__name__}: {hint}", section=section)


def require_times(config: object, *names: str) -> None:
    """Raises LocalError where one of these fields of what an owner has given is no time above zero, such as NaN."""
    for name in names:
        if not getattr(config, name) > 0:
            raise LocalError(f"{name} is a time above 0 s, not {getattr(config, name)}", section="RFC 3261 §17.1.1.1")


def require_counts(config: object, *names: str, least: int = 0) -> None:
    """Raises LocalError where one of these fields of what an owner has given is below `least`, or NaN."""
    for name in names:
        if not getattr(config, name) >= least:
            raise LocalError(f"{name} is {least} or more, not {getattr(config, name)}", section="RFC 3261 §17.1.1.1")


class RemoteError(SipError):
    """The peer or the network did something that cannot be worked with."""


class ParseError(RemoteError):
    """Text or bytes that the grammar does not allow and that no named leniency covers.

    `text` is what was being read, `offset` the character in it where the fault is. Out of a header field, `header` is
    its name and `text` its whole value, folds replaced and white space around it left out. `position` is the byte of
    the whole message at which the fault stands, None while the message is not known. `status` is the response code
    the RFC suggests for a request with this fault.
    """

    def __init__(
        self,
        message: str,
        *,
        section: str,
        text: str = "",
        offset: int = 0,
        header: str | None = None,
        position: int | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(message, section=section)
        self.text = text
        self.offset = offset
        self.header = header
        self.position = position
        self.status = status

    @property
    def excerpt(self) -> str:
        """The offending part, at most EXCERPT_CHARACTERS of it; where the text ends too early, its last ones."""
        return self._cut(self.text)

    @property
    def covered_excerpt(self) -> str:
        """The same without credentials, for people and logs."""
        return self._cut(cover_unread((self.header or "").lower(), self.text))

    def _cut(self, text: str) -> str:
        return text[self.offset : self.offset + EXCERPT_CHARACTERS] or text[-EXCERPT_CHARACTERS:]

    @property
    def offending_bytes(self) -> bytes:
        """The excerpt as it came over the wire."""
        return self.excerpt.encode("utf-8", "surrogateescape")

    def within(
        self, header: str | None = None, offset: int = 0, text: str | None = None, position: int | None = None
    ) -> Self:
        """The same error, told from further out.

        `text` is what surrounds the text of this error, which begins at `offset` in it; `header` names the header
        field that all of it stands in; `position` is the byte of the whole message where the fault is.
        """
        return type(self)(
            self.message,
            section=self.section,
            text=self.text if text is None else text,
            offset=self.offset + offset,
            header=header or self.header,
            position=self.position if position is None else position,
            status=self.status,
        )

    def __str__(self) -> str:
        where = f"{self.header}: " if self.header else ""
        at = f"{self.offset}" if self.position is None else f"byte {self.position}"
        shown = f" at {at}: {quoted(self.covered_excerpt)}" if self.text or self.position is not None else ""
        return f"{where}{self.message}{shown} [{self.section}]"


class LimitExceeded(ParseError):
    """A named limit was passed; the status is the one the RFC gives for that limit (413, 414, 513 or 400)."""


class UnsafeValue(LocalError):
    """A value that a caller set holds CR, LF or NUL, which would let it write header fields of its own."""


class NotAllowed(LocalError):
    """Whoever runs this host does not let an address be reached: nothing was sent there.

    `where` is the place, as in `udp 10.0.0.1:5060`, and `why` the ground, as in `it is private`.
    """

    advice = "name an address that may be reached, or have whoever runs this host allow its network"

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        self.why = why
        super().__init__(f"{self.told}; {self.advice}", section="RFC 3261 §26.1")

    @property
    def told(self) -> str:
        """What it says, without the advice."""
        return f"{self.where}: must not be reached from here, {self.why}"

    def as_failure(self) -> "TransportFailure":
        """The same as a failure of the place, after which the next one is tried."""
        failure = TransportFailure(FailureReason.NOT_ALLOWED, self.told, section=self.section)
        failure.__cause__ = self
        return failure.kept()


class FailureReason(Enum):
    """Why nothing could be sent, or nothing came back: each is a different story for the user."""

    UNRESOLVABLE = "unresolvable"
    """No address for the name."""
    REFUSED = "refused"
    """Something answered that nothing listens there: TCP RST to a SYN, or ICMP port unreachable."""
    UNREACHABLE = "unreachable"
    """No route, host or network unreachable, told by the kernel or by ICMP."""
    PROHIBITED = "prohibited"
    """A filter said so: ICMP administratively prohibited, or EPERM from the local firewall."""
    TIMED_OUT = "timed out"
    """Silence until the deadline."""
    RESET = "reset"
    """An established connection was reset."""
    CLOSED = "closed"
    """The peer closed the connection in order, or it closed before an answer came."""
    TLS = "tls failed"
    """TCP works; the TLS handshake does not. The failure's `tls` says how."""
    TOO_LARGE = "too large"
    """The datagram does not fit (EMSGSIZE)."""
    GARBAGE = "garbage"
    """Bytes came back that are not SIP."""
    NOT_ALLOWED = "not allowed"
    """Whoever runs this host does not let the address be reached; nothing was sent."""
    FAULT = "own fault"
    """This program made a mistake of its own, which says nothing about the peer."""


class TransportFailure(RemoteError):
    """A hop or a flow failed. `reason` is for programs, `message` for people."""

    def __init__(self, reason: FailureReason, message: str, *, section: str = "RFC 3261 §18.4") -> None:
        super().__init__(message, section=section)
        self.reason = reason


def own_fault() -> TransportFailure:
    """The failure of what this program has given up because of a mistake of its own."""
    return TransportFailure(FailureReason.FAULT, "this program made a mistake, please report it")


def blamed(failure: SipError) -> SipError:
    """A failure as whoever waits for something is told of it: the LocalError that caused it where this side's own
    settings are to blame.
    """
    return failure.__cause__ if isinstance(failure.__cause__, LocalError) else failure
