"""sofia-sip, in C: parses every known header field at once. The structures below are the head of those in `sip.h`.

Timed is `msg_make` and `msg_destroy`; with `full` also `msg_as_string`. The parsed values are read through ctypes
beside the clock, to check them: in C they are a pointer away.
"""

import ctypes
from ctypes import POINTER, Structure, c_char, c_char_p, c_int, c_size_t, c_ssize_t, c_uint, c_uint32, c_void_p

from benchmarks.peers.c_library import Library, pointers, texts
from benchmarks.peers.messages import Plain, Route
from benchmarks.peers.peer import Full, Peer

_library = Library("sofia-sip-ua", "libsofia-sip-ua-dev")


class _Common(Structure):
    """`msg_common_t`, and the link to the next header that follows it everywhere."""

    _fields_ = [*pointers("succ", "prev", "kind", "data"), ("len", c_size_t), ("next", c_void_p)]


class _Url(Structure):
    _fields_ = [
        ("type_and_root", c_char * 4),
        *texts("scheme", "user", "password", "host", "port", "path", "params", "headers", "fragment"),
    ]


class _Request(Structure):
    _fields_ = [("common", _Common), ("method", c_int), ("method_name", c_char_p), ("url", _Url)]


class _Status(Structure):
    _fields_ = [("common", _Common), ("version", c_char_p), ("status", c_int), ("phrase", c_char_p)]


class _Via(Structure):
    _fields_ = [
        ("common", _Common),
        *texts("protocol", "host", "port"),
        ("params", c_void_p),
        *texts("comment", "ttl", "maddr", "received", "branch"),
    ]


class _Address(Structure):
    _fields_ = [
        ("common", _Common),
        ("display", c_char_p),
        ("url", _Url),
        ("params", c_void_p),
        *texts("comment", "tag"),
    ]


class _CallId(Structure):
    _fields_ = [("common", _Common), ("id", c_char_p)]


class _CSeq(Structure):
    _fields_ = [("common", _Common), ("number", c_uint32), ("method", c_int), ("method_name", c_char_p)]


class _Sip(Structure):
    _fields_ = [
        ("common", _Common),
        ("user", c_void_p),
        ("size", c_uint),
        ("flags", c_int),
        ("error", c_void_p),
        ("request", POINTER(_Request)),
        ("status", POINTER(_Status)),
        ("via", POINTER(_Via)),
        *pointers("route", "record_route", "max_forwards", "proxy_require"),
        ("from_", POINTER(_Address)),
        ("to", POINTER(_Address)),
        ("call_id", POINTER(_CallId)),
        ("cseq", POINTER(_CSeq)),
    ]


_make = _library.function("msg_make", c_void_p, c_void_p, c_int, c_char_p, c_ssize_t)
_object = _library.function("msg_object", POINTER(_Sip), c_void_p)
_destroy = _library.function("msg_destroy", None, c_void_p)
_as_string = _library.function("msg_as_string", c_void_p, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_size_t))
_url_as_string = _library.function("url_as_string", c_void_p, c_void_p, POINTER(_Url))
_free = _library.function("su_free", None, c_void_p, c_void_p)
_CLASS = _library.function("sip_default_mclass", c_void_p)()


def time_route(data: bytes) -> None:
    """Parse and release."""
    _destroy(_make(_CLASS, 0, data, len(data)))


def time_full(data: bytes) -> None:
    """Parse, write, release."""
    message = _make(_CLASS, 0, data, len(data))
    size = c_size_t()
    _as_string(message, message, None, 0, size)  # the text belongs to the message, and goes with it
    _destroy(message)


def read_route(data: bytes) -> Route:
    """The route of the message in `data`."""
    message = _make(_CLASS, 0, data, len(data))
    try:
        sip = _object(message).contents
        cseq = sip.cseq.contents
        return (
            *_start(sip),
            _text(sip.via.contents.branch),
            _text(sip.from_.contents.tag),
            _text(sip.to.contents.tag),
            sip.call_id.contents.id.decode(),
            cseq.number,
            cseq.method_name.decode(),
        )
    finally:
        _destroy(message)


def _start(sip: _Sip) -> tuple[object, object]:
    if not sip.request:
        status = sip.status.contents
        return status.status, _text(status.phrase)
    request = sip.request.contents
    url = _url_as_string(None, request.url)
    try:
        return _text(request.method_name), ctypes.string_at(url).decode()
    finally:
        _free(None, url)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def read_full(data: bytes) -> Full:
    """The message written again; its header fields stay in C."""
    message = _make(_CLASS, 0, data, len(data))
    size = c_size_t()
    written = ctypes.string_at(_as_string(message, message, None, 0, size), size.value)
    _destroy(message)
    return {}, written


def plain(value: object) -> Plain:
    """Never asked: no header field is carried over."""
    raise NotImplementedError


PEER = Peer("sofia-sip", _library.version, read_route, read_full, plain, time_route, time_full)
