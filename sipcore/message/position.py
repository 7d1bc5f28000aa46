"""Where lines of a message begin in its bytes. RFC 3261 §7."""


def message_start(data: bytes) -> int:
    """The byte at which the start line begins: a server ignores CRLF before it (RFC 3261 §7.5)."""
    begin = len(data) - len(data.lstrip(b"\r\n"))
    if b"\r" in data[:begin].replace(b"\r\n", b""):  # a carriage return alone is no line end
        return data.replace(b"\r\n", b"\n\n").index(b"\r")
    return begin


def field_position(data: bytes, index: int) -> int:
    """The byte of a message at which the header field `index`, counted from 0, begins, or what follows the last."""
    position = message_start(data)
    for _ in range(index + 1):
        position = data.find(b"\n", position) + 1
        while position and data[position : position + 1] in (b" ", b"\t"):
            position = data.find(b"\n", position) + 1
        if not position:
            return len(data)
    return position
