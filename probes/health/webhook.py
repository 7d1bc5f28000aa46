"""A webhook: alerts by HTTP POST, signed, and only to where they may go. docs/webhooks.md tells receivers about it.

The name is looked up here, and the connection goes to the very address that was allowed: a second lookup could give
another one. Redirects are not followed, since they would lead around that, proxies of the environment are not used, and
nothing of the answer is read but its status and Retry-After.
"""

import base64
import binascii
import hashlib
import hmac
import os
import ssl
from collections.abc import Awaitable, Callable

import trio

from probes.health.alerts import WebhookChannel
from probes.health.sending import INSTALL, NotifyConfig, SendFailure, retry_after
from probes.health.trunk import WatchError
from sipcore.resolve.target import SocketAddress
from sipcore.transports.gate import Gate

BASE64_SECRET = "whsec_"
"""What a secret begins with that is Base64 (Standard Webhooks)."""
MAX_ADDRESSES = 4
"""Addresses of one name that are tried, each for the time of a connection."""
PATIENCE = frozenset({408, 425, 429})
"""Statuses of 4xx that stand for now, and not for good."""
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name, as the system knows them. Raises OSError."""


async def system_addresses(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def signature(secret: str, name: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: HMAC-SHA256 over id, time and body (Standard Webhooks). Raises ValueError for a
    secret that is no Base64 and says that it is.
    """
    signed = b"%s.%d.%s" % (name.encode(), timestamp, body)
    return f"v1,{base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()}"


def _key(secret: str) -> bytes:
    if not secret.startswith(BASE64_SECRET):
        return secret.encode("utf-8", "surrogateescape")
    return base64.b64decode(secret.removeprefix(BASE64_SECRET), validate=True)


class Webhook:
    """Sends alerts to one URL. Raises WatchError for a channel that cannot be used."""

    def __init__(self, channel: WebhookChannel, config: NotifyConfig, resolve: Resolve = system_addresses) -> None:
        try:
            import httpx
        except ImportError:
            raise WatchError(f"channel {channel.name}: webhooks need httpx: {INSTALL}") from None
        self._channel, self._config, self._resolve = channel, config, resolve
        self._gate = Gate(channel.reach.refusal)
        try:
            self._url = httpx.URL(channel.url)
        except httpx.InvalidURL:
            raise WatchError(f"channel {channel.name}: its url is no http or https URL with a host") from None
        try:
            signature(channel.secret, "", 0, b"")
        except binascii.Error:
            raise WatchError(f"channel {channel.name}: what follows {BASE64_SECRET} is no Base64") from None
        self._context = self._trusting() if self._url.scheme == "https" else None

    def _trusting(self) -> ssl.SSLContext:
        try:
            cadata = (
                self._channel.ca_data.decode("ascii", "backslashreplace") or None
            )  # a comment may be in any language
            return ssl.create_default_context(cadata=cadata)
        except (ssl.SSLError, ValueError):
            raise WatchError(f"channel {self._channel.name}: no certificates in PEM in its CA file") from None

    async def send(self, name: str, body: bytes, now: float) -> None:
        """Send an alert, whose id is `name`, `now` in seconds since 1970. Raises SendFailure."""
        with trio.move_on_after(self._config.timeout) as scope:
            await self._send(name, body, now)
        if scope.cancelled_caught:
            raise SendFailure(f"no answer within {self._config.timeout:g} s")

    async def _send(self, name: str, body: bytes, now: float) -> None:
        import httpx

        addresses = await self._addresses()
        failure = ""
        for address in addresses[:MAX_ADDRESSES]:
            try:
                status, waits = await self._post(address, name, body, now)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = f"no connection to {address}: {_why(error)}"
                continue
            except httpx.HTTPError as error:
                raise SendFailure(f"{address} does not answer: {_why(error)}") from None
            return _judge(status, retry_after(waits, now))
        raise SendFailure(failure)

    async def _addresses(self) -> list[str]:
        """Where the receiver is and may be."""
        host = self._url.raw_host.decode("ascii")
        try:
            found = await self._resolve(host, self._port)
        except OSError as error:
            raise SendFailure(f"no address for {host}: {error.strerror or error}") from None
        except UnicodeError:
            raise SendFailure(f"{host} is no name that DNS can hold", is_final=True) from None
        is_open = self._channel.allow_private
        allowed = [address for address in found if is_open or not self._refusal(address)]
        if found and not allowed:
            why = f"{host} leads to {found[0]}, and {self._refusal(found[0])}"
            raise SendFailure(f"{why}: allow_private = true lets this channel send there", is_final=True)
        if not found:
            raise SendFailure(f"no address for {host}")
        return allowed

    def _refusal(self, address: str) -> str:
        return self._gate.why_not(SocketAddress(address, self._port))

    @property
    def _port(self) -> int:
        return self._url.port or (443 if self._url.scheme == "https" else 80)

    @property
    def _certified(self) -> str:
        """The name that TLS asks for, and that the certificate has: without the dot of a name of DNS (RFC 6066 §3)."""
        return self._url.raw_host.decode("ascii").removesuffix(".")

    async def _post(self, address: str, name: str, body: bytes, now: float) -> tuple[int, str]:
        """Status and Retry-After of the answer. By the transport alone: a client of httpx logs the URL."""
        import httpx

        config = self._config
        timeout = httpx.Timeout(config.timeout, connect=config.connect_timeout)
        request = httpx.Request(
            "POST",
            self._url.copy_with(host=address, username=None, password=None),
            headers=self._headers(name, body, now),
            content=body,
            extensions={"sni_hostname": self._certified, "timeout": timeout.as_dict()},
        )
        verify = self._context if self._context is not None else False  # nothing to verify: it is plain HTTP
        async with httpx.AsyncHTTPTransport(verify=verify, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            await response.aclose()  # whatever it goes on to say
            return response.status_code, response.headers.get("retry-after", "")

    def _headers(self, name: str, body: bytes, now: float) -> dict[str, str]:
        timestamp = int(now)
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "sipprobe",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
        }
        if self._channel.secret:
            headers["webhook-signature"] = signature(self._channel.secret, name, timestamp, body)
        if self._url.userinfo:
            given = f"{self._url.username}:{self._url.password}".encode("utf-8", "surrogateescape")
            headers["Authorization"] = f"Basic {base64.b64encode(given).decode()}"
        return headers


def _judge(status: int, wait: float | None) -> None:
    """Raises SendFailure for a status that is none of success."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise SendFailure(f"it redirects ({status}), which is not followed: give the URL it leads to", is_final=True)
    is_final = 400 <= status < 500 and status not in PATIENCE
    raise SendFailure(f"it answers {status}", retry_after=wait, is_final=is_final)


def _why(error: BaseException) -> str:
    """What lies below an error of httpx, which often says nothing itself, and quotes behind a colon what came: from a
    server that sends back what it gets, that is the URL.
    """
    told = str(error).partition(":")[0] or type(error).__name__
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLError):
            return f"TLS fails, {getattr(below, 'verify_message', '') or below.reason or below}"
        if isinstance(below, OSError) and below.errno:
            told = os.strerror(below.errno)  # its own text may have more, which is said already
        inner = below.exceptions[0] if isinstance(below, BaseExceptionGroup) else below.__cause__
        below = inner or below.__context__
    return told
