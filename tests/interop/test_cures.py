"""Cures tried on the products that they are told for: with the fault there is the finding, with the cure it is gone."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from probes.destination import Destination
from probes.discovery.answers import contacts_of
from probes.discovery.habits.judge import CALL
from probes.discovery.outcome import Discovery
from probes.discovery.run import DiscoveryConfig, discover
from probes.findings.catalogue import catalogue
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from tests.faultlab.boxes import OneToOne
from tests.faultlab.lab import inside
from tests.impairment.conftest import privileged
from tests.impairment.namespace import INTERFACE
from tests.impairment.network import open_network
from tests.interop import servers
from tests.interop.lab import Lab, Server
from tests.interop.test_fingerprint import Start, edit, started

__all__ = ["privileged"]

INNER, OUTER = "127.0.0.1", "127.0.0.2"
OLD_ALLOWED = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = old
[old]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""
"""What lets OpenSSL speak TLS 1.0, where a product leaves that to the library."""
STARTS: dict[str, Start] = {
    "asterisk": lambda lab, _: servers.asterisk(lab),
    "chan-sip": lambda lab, _: servers.chan_sip(lab),
    "kamailio": servers.kamailio,
}


@dataclass(frozen=True, slots=True)
class Edit:
    """What in a file of a configuration is put in the place of what; {port} and {tls_port} are filled in."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A finding about a product. `fault` makes it; `cure` is what the finding says, by `words` of the configuration."""

    code: str
    product: str
    words: tuple[str, ...]
    cure: tuple[Edit, ...]
    fault: tuple[Edit, ...] = ()
    host: str = INNER
    user: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.product}, {self.words[0]}"


def pjsip(protocol: str, port: str) -> str:
    """One more transport of Asterisk."""
    return f"[{protocol}-outer](transport)\nprotocol={protocol}\nbind={OUTER}:{{{port}}}\n"


def asterisk(old: str, new: str) -> Edit:
    return Edit("pjsip.conf", old, new)


def kamailio(new: str, old: str = "enable_tls=yes") -> Edit:
    return Edit("kamailio.cfg", old, f"{new}\n{old}")


FIRST_TRANSPORT = "[udp](transport)"
OUTER_PLAIN = pjsip("udp", "port") + pjsip("tcp", "port")
OUTER_TLS = pjsip("tls", "tls_port")
LISTEN_PLAIN = f"listen=udp:{OUTER}:{{port}}\nlisten=tcp:{OUTER}:{{port}}"
LISTEN_TLS = f"listen=tls:{OUTER}:{{tls_port}}"
MAX_FORWARDS = 'if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }'
WITH_NULL = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"
TLS_METHOD = "method = TLSv1.2+"
CASES = [
    Tried("telling-banner", "asterisk", ("user_agent",), (asterisk("type=global", "type=global\nuser_agent=PBX"),)),
    Tried("telling-banner", "chan-sip", ("useragent",), (Edit("sip.conf", "[general]", "[general]\nuseragent=PBX"),)),
    Tried("telling-banner", "kamailio", ("server_signature=no",), (kamailio("server_signature=no"),)),
    Tried("telling-banner", "kamailio", ("server_header",), (kamailio('server_header="Server: PBX"'),)),
    Tried(
        "plain-beside-tls",
        "asterisk",
        ("transports", "bind"),
        (asterisk(FIRST_TRANSPORT, OUTER_TLS + FIRST_TRANSPORT),),
        (asterisk(FIRST_TRANSPORT, OUTER_PLAIN + OUTER_TLS + FIRST_TRANSPORT),),
        host=OUTER,
    ),
    Tried(
        "plain-beside-tls",
        "kamailio",
        ("listen",),
        (kamailio(LISTEN_TLS),),
        (kamailio(f"{LISTEN_PLAIN}\n{LISTEN_TLS}"),),
        host=OUTER,
    ),
    Tried(
        "tls-old-version",
        "kamailio",
        ("method = TLSv1.2+", "tls.cfg"),
        (Edit("tls.cfg", TLS_METHOD, "method = TLSv1.2+\ncipher_list = ALL:@SECLEVEL=0"),),
        (Edit("tls.cfg", TLS_METHOD, "method = TLSv1+\ncipher_list = ALL:@SECLEVEL=0"),),
    ),
    Tried(
        "tls-old-version",
        "asterisk",
        ("method=tlsv1_2",),
        (asterisk("method=sslv23", "method=tlsv1_2"),),
        environment={"OPENSSL_CONF": OLD_ALLOWED},
    ),
    Tried(
        "tls-old-version",
        "chan-sip",
        ("tlsdisablev1=yes", "tlsdisablev11=yes"),
        (Edit("sip.conf", "tlsenable=yes", "tlsenable=yes\ntlsdisablev1=yes\ntlsdisablev11=yes"),),
        (Edit("sip.conf", "tlsenable=yes", "tlsenable=yes\ntlsdisablev1=no\ntlsdisablev11=no"),),
        environment={"OPENSSL_CONF": OLD_ALLOWED},
    ),
    Tried(
        "tls-broken-cipher",
        "kamailio",
        ("cipher_list",),
        (Edit("tls.cfg", TLS_METHOD, f"{TLS_METHOD}\ncipher_list = HIGH:!eNULL:!aNULL"),),
        (Edit("tls.cfg", TLS_METHOD, f"{TLS_METHOD}\ncipher_list = {WITH_NULL}"),),
    ),
    Tried(
        "tls-broken-cipher",
        "asterisk",
        ("cipher",),
        (asterisk("method=sslv23", "method=sslv23\ncipher=ECDHE-ECDSA-AES128-GCM-SHA256"),),
        (asterisk("method=sslv23", "method=sslv23\ncipher=ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-ECDSA-NULL-SHA"),),
        environment={"OPENSSL_CONF": OLD_ALLOWED},
    ),
    Tried(
        "tls-broken-cipher",
        "chan-sip",
        ("tlscipher",),
        (Edit("sip.conf", "tlsenable=yes", "tlsenable=yes\ntlscipher=ECDHE-ECDSA-AES128-GCM-SHA256"),),
        (Edit("sip.conf", "tlsenable=yes", f"tlsenable=yes\ntlscipher={WITH_NULL}"),),
    ),
    Tried(
        "max-forwards-ignored",
        "kamailio",
        ("mf_process_maxfwd_header()",),
        (),
        (Edit("kamailio.cfg", MAX_FORWARDS, ""),),
        user="echo",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_the_cure_cures(
    case: Tried, lab: Lab, baresip: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in case.environment.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setenv(name, str(tmp_path / name))
    before = await look(case, case.fault, replace(lab, folder=tmp_path / "before"), baresip)
    (finding,) = [finding for finding in before.findings if finding.code == case.code]
    assert all(word in finding.cure for word in case.words), finding.cure
    after = await look(case, case.cure, replace(lab, folder=tmp_path / "after"), baresip)
    assert {attempt.hop.transport for attempt in after.answered}
    assert case.code not in {finding.code for finding in after.findings}


async def look(case: Tried, edits: Sequence[Edit], lab: Lab, gateway: Server) -> Discovery:
    """What discovery finds with a product whose configuration was changed."""
    lab.folder.mkdir()
    port = lab.ports(2)
    with started(partial(changed, case.product, edits, port), lab, gateway) as server, trio.fail_after(15):
        ports = (port, port + 1) if case.host == OUTER else (server.udp_port, server.tls_port or 0)
        config = DiscoveryConfig(ports=ports, timeout=1.5, tls=TlsConfig(ca_file=str(server.ca_file)))
        return await discover(Destination(case.host, user=case.user), config)


def changed(
    product: str, edits: Sequence[Edit], port: int, lab: Lab, gateway: Server
) -> AbstractContextManager[Server]:
    """A product with edits in its configuration, in which `port` and the next one stand for places of their own."""
    running = STARTS[product](lab, gateway)
    for one in edits:
        new = one.new.replace("{port}", f"{port}").replace("{tls_port}", f"{port + 1}")
        edit(lab.folder / product / one.file, one.old, new)
    return running


PUBLIC, PRIVATE = "198.51.100.9", "10.9.8.7"
ACL = "permit=127.0.0.0/8"
BEHIND = f"[behind](transport)\nprotocol=udp\nbind={PRIVATE}:{{port}}\n"
LET_IN = asterisk(ACL, f"{ACL}\npermit=192.0.2.0/24")


@pytest.mark.usefixtures("privileged")
async def test_a_contact_behind_a_translator(lab: Lab, baresip: Server, tmp_path: Path) -> None:
    """Asterisk, which shows a Contact in calls alone, is bound to a private address, and tells the public one."""
    words = (f"external_signaling_address={PUBLIC}", "local_net=10.0.0.0/8")
    assert all(word.partition("=")[0] in catalogue()["contact-narrow"].cure_for("Asterisk") for word in words)
    port = lab.ports(2)
    edits = (LET_IN, asterisk(FIRST_TRANSPORT, "\n".join([BEHIND, *words, FIRST_TRANSPORT])))
    start = partial(changed, "asterisk", edits, port)
    config = DiscoveryConfig(timeout=1.5, invite=True, habits=False)
    async with open_network(boxes={"bob": (OneToOne(PUBLIC, PRIVATE),)}) as network:
        await network["bob"].run("ip", "address", "add", f"{PRIVATE}/32", "dev", INTERFACE)
        # Without a way to the name server that this machine has, Asterisk does not wait for it.
        await network["bob"].run("ip", "route", "replace", "unreachable", "default", "metric", "0")
        await network["bob"].run("ip", "route", "add", "192.0.2.0/24", "dev", INTERFACE)
        with ExitStack() as stack:
            with network["bob"].entered():
                stack.enter_context(started(start, replace(lab, folder=tmp_path), baresip))
            where = Destination(PUBLIC, port=port, transport=Transport.UDP, user="echo")
            found = await trio.to_thread.run_sync(inside, network["alice"], partial(discover, where, config))
    (call,) = [asked for asked in found.asked if asked.purpose == CALL]
    answers = [parse_message(one.data) for one in call.messages if one.data.startswith(b"SIP/2.0 200 ")]
    assert isinstance(answers[0], Response)
    assert [uri.address for uri in contacts_of(answers[0])] == [PUBLIC]
