"""The engine, for other programs: each name is loaded when it is first used, so that this import costs nothing.

`Endpoint` is where to begin, and `parse_message` for whoever has nothing but bytes. Inside the project the modules
themselves are imported, never this.
"""

from typing import TYPE_CHECKING

from sipcore.lazy import passing_on

if TYPE_CHECKING:
    from sipcore.auth.choice import Account
    from sipcore.endpoint.call import Call, IncomingCall
    from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
    from sipcore.endpoint.incoming import IncomingRequest
    from sipcore.errors import LocalError, ParseError, RemoteError, SipError, TransportFailure
    from sipcore.message.address import Address
    from sipcore.message.message import Request, Response
    from sipcore.message.parser import parse_message
    from sipcore.message.uri import SipUri, parse_uri
    from sipcore.outgoing import Order
    from sipcore.resolve.target import Hop, SocketAddress, Transport
    from sipcore.sdp.description import SessionDescription
    from sipcore.stack import Stack
    from sipcore.stack_config import StackConfig
    from sipcore.transports.base import TlsConfig, TransportConfig
    from sipcore.transports.lookup import LookupConfig

__all__ = [
    "Account",
    "Address",
    "Call",
    "Endpoint",
    "EndpointConfig",
    "Hop",
    "IncomingCall",
    "IncomingRequest",
    "LocalError",
    "LookupConfig",
    "Order",
    "ParseError",
    "RemoteError",
    "Request",
    "Response",
    "SessionDescription",
    "SipError",
    "SipUri",
    "SocketAddress",
    "Stack",
    "StackConfig",
    "TlsConfig",
    "Transport",
    "TransportConfig",
    "TransportFailure",
    "parse_message",
    "parse_uri",
]

__getattr__ = passing_on(
    __name__,
    {
        "sipcore.auth.choice": ("Account",),
        "sipcore.endpoint.call": ("Call", "IncomingCall"),
        "sipcore.endpoint.endpoint": ("Endpoint", "EndpointConfig"),
        "sipcore.endpoint.incoming": ("IncomingRequest",),
        "sipcore.errors": ("LocalError", "ParseError", "RemoteError", "SipError", "TransportFailure"),
        "sipcore.message.address": ("Address",),
        "sipcore.message.message": ("Request", "Response"),
        "sipcore.message.parser": ("parse_message",),
        "sipcore.message.uri": ("SipUri", "parse_uri"),
        "sipcore.outgoing": ("Order",),
        "sipcore.resolve.target": ("Hop", "SocketAddress", "Transport"),
        "sipcore.sdp.description": ("SessionDescription",),
        "sipcore.stack": ("Stack",),
        "sipcore.stack_config": ("StackConfig",),
        "sipcore.transports.base": ("TlsConfig", "TransportConfig"),
        "sipcore.transports.lookup": ("LookupConfig",),
    },
)
