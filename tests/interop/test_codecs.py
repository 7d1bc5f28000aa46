"""Which codecs real servers accept: Asterisk and baresip by their configuration, SIPp which takes no re-INVITE."""

from typing import Any

import pytest
import trio

from probes.calls.codecs.run import CodecProbe, probe_codecs
from probes.calls.run import call_config
from probes.checks.codecs import Asking, Way
from probes.checks.codecs_answer import Security
from probes.checks.codecs_judge import CodecReport, Support
from probes.destination import Destination
from probes.result import CallKind
from sipcore.auth.choice import Account
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from tests.interop.clients import PASSWORD
from tests.interop.lab import Lab, Server
from tests.interop.pbx import command

G711 = ("PCMU", "PCMA")
PLAIN = Asking(securities=())


async def ask(
    server: Server,
    user: str,
    asking: Asking | None = None,
    caller: str = "",
    transport: Transport = Transport.UDP,
    **more: Any,  # noqa: ANN401  # as CodecProbe has it
) -> CodecReport:
    """What is found out about a user of a server, asked as `caller` where one is named."""
    account = Account(caller, PASSWORD, hosts=[server.host]) if caller else None
    sender = Address.parse(f"<sip:{caller}@{server.host}>") if caller else None
    port = server.tls_port if transport is Transport.TLS else server.udp_port
    probe = CodecProbe(
        Destination(server.host, port, transport, user), asking or Asking(), caller=sender, account=account, **more
    )
    with trio.fail_after(40):
        return await probe_codecs(probe, call_config(TlsConfig(ca_file=str(server.ca_file))))


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS], ids=lambda transport: transport.name)
async def test_over_other_transports(asterisk: Server, transport: Transport) -> None:
    report = await ask(asterisk, "echo", PLAIN, transport=transport)
    assert accepted(report) == [*WITH_EVENTS, "RTP"]


def accepted(report: CodecReport) -> list[str]:
    """What is accepted; nothing else is unknown."""
    every = (*report.codecs, *report.securities)
    assert not [one.name for one in every if one.support is Support.UNKNOWN]
    return [one.name for one in every if one.support is Support.ACCEPTED]


WITH_EVENTS = (*G711, "G722", "telephone-event")


async def test_asterisk_in_one_call(asterisk: Server, lab: Lab) -> None:
    report = await ask(asterisk, "echo")
    assert accepted(report) == [*WITH_EVENTS, "RTP", "SRTP by SDES"]
    assert (report.invites, report.rang, report.ptime) == (1, False, 20)
    assert report.own is not None
    assert [codec.encoding for codec in report.own] == list(WITH_EVENTS)
    assert "0 active calls" in await command(lab, "core show channels count")


@pytest.mark.parametrize(
    ("caller", "found"),
    [
        ("alice", [*G711, "telephone-event", "RTP"]),
        ("bob", [*G711, "telephone-event", "SRTP by SDES"]),
        ("carol", [*G711, "telephone-event", "RTP", "SRTP by DTLS"]),
        ("dave", [*G711, "telephone-event", "RTP"]),
    ],
)
async def test_users_of_asterisk(asterisk: Server, caller: str, found: list[str]) -> None:
    report = await ask(asterisk, "echo", caller=caller)
    assert accepted(report) == found


async def test_asterisk_with_early_media(asterisk: Server) -> None:
    report = await ask(asterisk, "earlier", PLAIN)
    assert accepted(report) == [*WITH_EVENTS, "RTP"]
    assert report.replies[0].response is not None
    assert report.replies[0].response.status == 183
    assert [reply.question.way for reply in report.replies] == [Way.INVITE, Way.REINVITE, Way.REINVITE]


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ("busy", CallKind.BUSY),
        ("reject", CallKind.REJECTED),
        ("nobody-here", CallKind.REJECTED),
        ("ring", CallKind.NOT_ANSWERED),
    ],
)
async def test_calls_that_tell_nothing(asterisk: Server, user: str, kind: CallKind) -> None:
    report = await ask(asterisk, user, ring_time=0.5)
    assert (report.kind, report.works, report.invites) == (kind, False, 1)


async def test_a_wrong_password(asterisk: Server) -> None:
    account = Account("alice", "not the password", hosts=[asterisk.host])
    destination = Destination(asterisk.host, asterisk.udp_port, Transport.UDP, "echo")
    sender = Address.parse(f"<sip:alice@{asterisk.host}>")
    with trio.fail_after(40):
        report = await probe_codecs(CodecProbe(destination, PLAIN, sender, account))
    assert report.kind is CallKind.AUTHENTICATION
    assert "not the password" not in repr(report)


@pytest.mark.parametrize(
    ("user", "found", "calls"),
    [
        ("echo", ["RTP"], 1),
        ("srtp", ["RTP", "SRTP by SDES"], 1),
        ("sdes", ["SRTP by SDES"], 2),
        ("dtls", ["SRTP by DTLS"], 2),
    ],
)
async def test_baresip(baresip: Server, user: str, found: list[str], calls: int) -> None:
    report = await ask(baresip, user)
    assert accepted(report) == [*WITH_EVENTS, *found]
    assert (report.invites, report.rang) == (calls, True)


async def test_a_phone_that_rings(baresip: Server) -> None:
    report = await ask(baresip, "ring", ring_time=0.5)
    assert (report.kind, report.invites, report.rang) == (CallKind.NOT_ANSWERED, 1, True)


async def test_a_phone_that_rings_with_early_media(baresip: Server) -> None:
    report = await ask(baresip, "early")
    assert [one.support is Support.ACCEPTED for one in report.codecs] == [True, True, True, False, False, True]
    assert (report.invites, len(report.replies), report.rang) == (1, 1, True)
    assert "rung" in report.unfinished


async def test_sipp_takes_no_change(sipp: Server) -> None:
    report = await ask(sipp, "echo", Asking(securities=(Security.SDES,)), timeout=1)
    assert report.codecs[0].support is Support.ACCEPTED
    assert {one.support for one in report.codecs[1:-1]} == {Support.UNKNOWN}
    assert (report.invites, report.rang) == (1, True)
    assert "rung" in report.unfinished


async def test_through_a_proxy(kamailio: Server) -> None:
    report = await ask(kamailio, "echo", PLAIN)
    assert accepted(report) == [*WITH_EVENTS, "RTP"]
