"""The engine, for other programs: each name is loaded when it is first used, so that this import costs nothing.

`Endpoint` is where to begin, and `parse_message` for whoever has nothing but bytes. Inside the project the modules
themselves are imported, never this.
"""

from typing import TYPE_CHECKING

from sipcore.lazy import passing_on

if TYPE_CHECKING:
    from sipcore.auth.choice import Account
    from sipcore.auth.session import AuthError, AuthSession
    from sipcore.endpoint.call import Call, CallFailure, IncomingCall
    from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
    from sipcore.endpoint.incoming import IncomingRequest
    from sipcore.endpoint.media.leg import Leg
    from sipcore.endpoint.media.media import Media, open_media
    from sipcore.endpoint.registration import Registering, RegistrationFailure
    from sipcore.errors import (
        FailureReason,
        LocalError,
        NotAllowed,
        ParseError,
        RemoteError,
        SipError,
        TransportFailure,
    )
    from sipcore.events import Exchange
    from sipcore.media.report import MediaResult
    from sipcore.media.terms import Encryption, Keying, Wishes
    from sipcore.message.address import Address
    from sipcore.message.message import Request, Response
    from sipcore.message.parser import parse_message
    from sipcore.message.uri import OtherUri, SipUri, TelUri, Uri, parse_uri
    from sipcore.outgoing import Order
    from sipcore.registration.binding import Binding, Registration
    from sipcore.resolve.target import Hop, SocketAddress, Transport
    from sipcore.sdp.attributes import PCMA, PCMU
    from sipcore.sdp.description import SessionDescription
    from sipcore.stack import Stack
    from sipcore.stack_config import StackConfig
    from sipcore.transports.base import TlsConfig, TransportConfig
    from sipcore.transports.lookup import LookupConfig

__all__ = [
    "PCMA",
    "PCMU",
    "Account",
    "Address",
    "AuthError",
    "AuthSession",
    "Binding",
    "Call",
    "CallFailure",
    "Encryption",
    "Endpoint",
    "EndpointConfig",
    "Exchange",
    "FailureReason",
    "Hop",
    "IncomingCall",
    "IncomingRequest",
    "Keying",
    "Leg",
    "LocalError",
    "LookupConfig",
    "Media",
    "MediaResult",
    "NotAllowed",
    "Order",
    "OtherUri",
    "ParseError",
    "Registering",
    "Registration",
    "RegistrationFailure",
    "RemoteError",
    "Request",
    "Response",
    "SessionDescription",
    "SipError",
    "SipUri",
    "SocketAddress",
    "Stack",
    "StackConfig",
    "TelUri",
    "TlsConfig",
    "Transport",
    "TransportConfig",
    "TransportFailure",
    "Uri",
    "Wishes",
    "open_media",
    "parse_message",
    "parse_uri",
]

__getattr__ = passing_on(
    __name__,
    {
        "sipcore.auth.choice": ("Account",),
        "sipcore.auth.session": ("AuthError", "AuthSession"),
        "sipcore.endpoint.call": ("Call", "CallFailure", "IncomingCall"),
        "sipcore.endpoint.endpoint": ("Endpoint", "EndpointConfig"),
        "sipcore.endpoint.incoming": ("IncomingRequest",),
        "sipcore.endpoint.media.leg": ("Leg",),
        "sipcore.endpoint.media.media": ("Media", "open_media"),
        "sipcore.endpoint.registration": ("Registering", "RegistrationFailure"),
        "sipcore.errors": (
            "FailureReason",
            "LocalError",
            "NotAllowed",
            "ParseError",
            "RemoteError",
            "SipError",
            "TransportFailure",
        ),
        "sipcore.events": ("Exchange",),
        "sipcore.media.report": ("MediaResult",),
        "sipcore.media.terms": ("Encryption", "Keying", "Wishes"),
        "sipcore.message.address": ("Address",),
        "sipcore.message.message": ("Request", "Response"),
        "sipcore.message.parser": ("parse_message",),
        "sipcore.message.uri": ("OtherUri", "SipUri", "TelUri", "Uri", "parse_uri"),
        "sipcore.outgoing": ("Order",),
        "sipcore.registration.binding": ("Binding", "Registration"),
        "sipcore.resolve.target": ("Hop", "SocketAddress", "Transport"),
        "sipcore.sdp.attributes": ("PCMA", "PCMU"),
        "sipcore.sdp.description": ("SessionDescription",),
        "sipcore.stack": ("Stack",),
        "sipcore.stack_config": ("StackConfig",),
        "sipcore.transports.base": ("TlsConfig", "TransportConfig"),
        "sipcore.transports.lookup": ("LookupConfig",),
    },
)
