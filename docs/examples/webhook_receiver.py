"""Receives alerts of a watch: it checks who sent them, drops repetitions, and prints what they say.

WATCH_SECRET=... python webhook_receiver.py, with `webhook = "http://127.0.0.1:8080/"` and `allow_private = true` in the
file of the watch. It uses nothing but the standard library; put a server with TLS before it where it is reached over a
network.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE = 300
"""Seconds by which the time of a request may differ from ours: an older one may be a copy of somebody's."""
REMEMBERED = 10_000
"""Alerts of which it is known that they were received."""
LONGEST = 100_000
"""Bytes of an alert."""


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a request was signed with our secret, and of late."""
    name, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal()) or abs(now - int(timestamp[:15])) > TOLERANCE:
        return False
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    digest = hmac.new(key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(wanted, given) for given in headers.get("webhook-signature", "").split())


class Alerts:
    """Takes requests, and gives each alert on once."""

    def __init__(self, secret: str, take: Callable[[dict[str, object]], None]) -> None:
        self._secret, self._take = secret, take
        self._known: OrderedDict[str, None] = OrderedDict()

    def receive(self, headers: Mapping[str, str], body: bytes, now: float) -> int:
        """The status to answer with. Whatever is no success is sent again, but for most of 4xx."""
        if not is_signed(self._secret, headers, body, now):
            return 401
        name = headers["webhook-id"]
        if name not in self._known:
            self._take(json.loads(body))
            self._known[name] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return 204


def server(alerts: Alerts, address: tuple[str, int]) -> HTTPServer:
    """An HTTP server that takes alerts."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if length > LONGEST:
                self.send_error(413)
                return
            headers = {name.lower(): content for name, content in self.headers.items()}
            self.send_response(alerts.receive(headers, self.rfile.read(length), time.time()))
            self.end_headers()

    return HTTPServer(address, Handler)


if __name__ == "__main__":
    printing = Alerts(os.environ["WATCH_SECRET"], lambda alert: print(alert["severity"], alert["text"]))  # noqa: T201
    server(printing, ("127.0.0.1", 8080)).serve_forever()
