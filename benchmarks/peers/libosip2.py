"""libosip2, in C: parses the header fields that RFC 3261 needs at once and keeps the others as text.

Timed is `osip_message_parse` with making and freeing the message; with `full` also `osip_message_to_str`. The parsed
values are read through ctypes beside the clock, to check them.
"""

import ctypes
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_void_p

from benchmarks.peers.c_library import Library, texts
from benchmarks.peers.messages import Plain, Route
from benchmarks.peers.peer import Full, Peer

_library = Library("osipparser2", "libosip2-dev")


class _List(Structure):
    _fields_ = [("count", c_int), ("node", c_void_p)]


class _Via(Structure):
    _fields_ = [*texts("version", "protocol", "host", "port", "comment"), ("params", _List)]


class _Address(Structure):
    _fields_ = [("display", c_char_p), ("url", c_void_p), ("params", _List)]


class _CallId(Structure):
    _fields_ = texts("number", "host")


class _CSeq(Structure):
    _fields_ = texts("method", "number")


class _Parameter(Structure):
    _fields_ = texts("name", "value")


_init = _library.function("osip_message_init", c_int, POINTER(c_void_p))
_parse = _library.function("osip_message_parse", c_int, c_void_p, c_char_p, c_size_t)
_free = _library.function("osip_message_free", None, c_void_p)
_to_str = _library.function("osip_message_to_str", c_int, c_void_p, POINTER(c_void_p), POINTER(c_size_t))
_status = _library.function("osip_message_get_status_code", c_int, c_void_p)
_reason = _library.function("osip_message_get_reason_phrase", c_char_p, c_void_p)
_method = _library.function("osip_message_get_method", c_char_p, c_void_p)
_uri = _library.function("osip_message_get_uri", c_void_p, c_void_p)
_uri_to_str = _library.function("osip_uri_to_str", c_int, c_void_p, POINTER(c_void_p))
_via = _library.function("osip_message_get_via", c_int, c_void_p, c_int, POINTER(POINTER(_Via)))
_from = _library.function("osip_message_get_from", POINTER(_Address), c_void_p)
_to = _library.function("osip_message_get_to", POINTER(_Address), c_void_p)
_call_id = _library.function("osip_message_get_call_id", POINTER(_CallId), c_void_p)
_cseq = _library.function("osip_message_get_cseq", POINTER(_CSeq), c_void_p)
_parameter = _library.function(
    "osip_uri_param_get_byname", c_int, POINTER(_List), c_char_p, POINTER(POINTER(_Parameter))
)
_release = ctypes.CDLL(None).free
_release.argtypes = (c_void_p,)
_library.function("parser_init", c_int)()


def _parsed(data: bytes) -> c_void_p:
    message = c_void_p()
    _init(byref(message))
    if code := _parse(message, data, len(data)):
        _free(message)
        raise ValueError(f"osip_message_parse returned {code}")
    return message


def time_route(data: bytes) -> None:
    """Parse and release."""
    _free(_parsed(data))


def time_full(data: bytes) -> None:
    """Parse, write, release."""
    message, text, size = _parsed(data), c_void_p(), c_size_t()
    _to_str(message, byref(text), byref(size))
    _release(text)
    _free(message)


def read_route(data: bytes) -> Route:
    """The route of the message in `data`."""
    message, via = _parsed(data), POINTER(_Via)()
    try:
        _via(message, 0, byref(via))
        call_id, cseq = _call_id(message).contents, _cseq(message).contents
        return (
            *_start(message),
            _value(via.contents.params, b"branch"),
            _value(_from(message).contents.params, b"tag"),
            _value(_to(message).contents.params, b"tag"),
            b"@".join(part for part in (call_id.number, call_id.host) if part).decode(),
            int(cseq.number),
            cseq.method.decode(),
        )
    finally:
        _free(message)


def _start(message: c_void_p) -> tuple[object, object]:
    if status := _status(message):
        return status, _reason(message).decode()
    text = c_void_p()
    _uri_to_str(_uri(message), byref(text))
    try:
        return _method(message).decode(), ctypes.string_at(text.value or 0).decode()
    finally:
        _release(text)


def _value(parameters: _List, name: bytes) -> str | None:
    found = POINTER(_Parameter)()
    return None if _parameter(parameters, name, byref(found)) else found.contents.value.decode()


def read_full(data: bytes) -> Full:
    """The message written again; its header fields stay in C."""
    message, text, size = _parsed(data), c_void_p(), c_size_t()
    _to_str(message, byref(text), byref(size))
    try:
        return {}, ctypes.string_at(text.value or 0, size.value)
    finally:
        _release(text)
        _free(message)


def plain(value: object) -> Plain:
    """Never asked: no header field is carried over."""
    raise NotImplementedError


PEER = Peer("libosip2", _library.version, read_route, read_full, plain, time_route, time_full)
