"""`sipprobe codecs`: words or JSON out, and the exit code."""

import io
import json
import re
from pathlib import Path

import pytest
import trio
from rich.console import Console

from probes.calls.codecs.run import CodecProbe, OnReply
from probes.capture.files import read_packets
from probes.checks.codecs import Asking, Offer, Question, Reply, Standing, Way, act
from probes.checks.codecs_answer import Security
from probes.checks.codecs_judge import CodecReport, judge
from probes.cli.codecs import WITHOUT_CODEC
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.cli.saving import MESSAGE_ENDS
from probes.cli.under_way import REFRESH
from probes.destination import Destination
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallKind
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.message.message import Response
from sipcore.resolve.target import SocketAddress, Transport
from tests.probes.checks.codecs_values import HOP, URI, Peer, answered
from tests.probes.cli.test_call import sipprobe
from tests.probes.discovery.network import HOST, free_port
from tests.probes.report.schemas import load, violations

Asked = list[tuple[CodecProbe, EndpointConfig]]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["codecs", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def answer_with(monkeypatch: pytest.MonkeyPatch, result: CodecReport) -> Asked:
    """Have every report be this one, and keep what was asked for."""
    asked: Asked = []

    async def probe(wanted: CodecProbe, config: EndpointConfig, on_reply: OnReply) -> CodecReport:
        asked.append((wanted, config))
        for reply in result.replies:
            on_reply(reply)
        await trio.sleep(2 * REFRESH)
        return result

    monkeypatch.setattr("probes.calls.codecs.run.probe_codecs", probe)
    return asked


def of(peer: Peer) -> CodecReport:
    return judge(URI, HOP, trio.run(act, peer, Asking()), Asking())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return answer_with(monkeypatch, of(Peer(("PCMU",))))


@pytest.mark.usefixtures("asked")
def test_what_has_come_so_far_is_seen_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, highlight=False)
    monkeypatch.setattr("probes.cli.codecs.make_console", lambda: console)
    assert run("echo@192.0.2.1") == ExitCode.OK
    live, result = file.getvalue().split("accepts PCMU", 1)
    assert "sip:echo@192.0.2.1" in live
    assert "offers made: " in live
    assert "offers made: " not in result


def test_words(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("echo@192.0.2.1") == ExitCode.OK
    shown, told = capsys.readouterr()
    assert "accepts PCMU and telephone-event" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert (told, "\x1b" in shown) == ("", False)
    ((probe, _),) = asked
    assert probe.destination == Destination("192.0.2.1", user="echo")
    assert probe.asking == Asking()


def test_json(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("echo@192.0.2.1", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert violations(data, load("codecs")) == []


async def test_files(tmp_path: Path) -> None:
    files = [tmp_path / f"echo{end}" for end in MESSAGE_ENDS]
    saved = [word for file in files for word in ("--save", str(file))]
    async with open_responder(Persona(), [(Transport.UDP, SocketAddress(HOST, 0))], lambda _: None) as responder:
        target = f"echo@{HOST}:{responder.address(Transport.UDP).port}"
        done = await trio.to_thread.run_sync(sipprobe, "codecs", target, "--codec=PCMU", *saved)
    assert done.returncode == ExitCode.OK, done.stderr
    capture, picture, diagram, data = files
    packets = list(read_packets(capture.read_bytes()))
    assert packets[0].data.count(b"INVITE sip:echo@") == 1
    assert b"200 OK" in packets[-1].data
    assert f"Codecs of sip:{target}" in picture.read_text()
    assert "INVITE with PCMU over RTP/AVP" in diagram.read_text()
    told = json.loads(data.read_text())
    assert violations(told, load("codecs")) == []
    labels = [entry["label"] for entry in told["timeline"]]
    assert labels.count("asked") == len(told["questions"])
    assert labels[:2] == ["asked", "INVITE"]
    assert labels[-2:] == ["BYE", "200 OK"]
    text = data.read_text() + picture.read_text() + diagram.read_text() + str(packets)
    assert "AVP" in text
    assert not re.search(r"inline:(?!\*+|A{16})", text)


def test_a_file_that_cannot_be(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("echo@192.0.2.1", "--save", "codecs.html") == ExitCode.USAGE
    assert "has to end in .pcapng, .svg, .mmd, .json" in capsys.readouterr().err
    assert asked == []


def test_options(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "ca").write_text("roots")
    options = ["--codec=opus", "--codec=pcmu", "--no-srtp", "--max-calls=2", "--ring-again", "--ring-time=3"]
    who = ["--user=alice", f"--password-file={tmp_path / 'password'}", "--from=sip:alice@example.com", "--timeout=2"]
    files = [f"--{name}={tmp_path / 'ca'}" for name in ("ca-file", "certificate", "key")]
    assert run("echo@192.0.2.1", *options, *who, "--transport=tcp", *files, "--resolver=192.0.2.53") == ExitCode.OK
    ((probe, config),) = asked
    assert probe.asking == Asking(("opus", "PCMU"), (), rings_again=True, max_invites=2)
    assert (probe.ring_time, probe.timeout, probe.destination.transport) == (3.0, 2.0, Transport.TCP)
    assert probe.account is not None
    assert probe.caller is not None
    assert (probe.account.username, str(probe.caller.uri)) == ("alice", "sip:alice@example.com")
    tls = config.transports.tls
    assert (tls.ca_file, tls.certificate, tls.key, tls.verify) == (str(tmp_path / "ca"), b"roots", b"roots", True)
    assert [str(server) for server in config.lookup.nameservers] == ["192.0.2.53:53"]


def refused(response: Response | None, *statuses: int) -> CodecReport:
    question = Question(Offer(Security.NONE, ("PCMU",)), Way.INVITE)
    return judge(URI, HOP, [Reply(question, 0.1, Standing.OVER, response, statuses=statuses)], Asking())


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (refused(answered(486), 486), ExitCode.BUSY),
        (refused(answered(403), 403), ExitCode.FAILED),
        (refused(answered(401), 401), ExitCode.AUTHENTICATION),
        (refused(None, 180), ExitCode.NOT_ANSWERED),
        (refused(None), ExitCode.NO_ANSWER),
        (of(Peer(())), ExitCode.FAILED),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], report: CodecReport, code: ExitCode
) -> None:
    answer_with(monkeypatch, report)
    assert run("echo@192.0.2.1") == code
    assert capsys.readouterr().err.startswith("sipprobe: sip:echo@192.0.2.1: ")


def test_every_ending_has_a_code() -> None:
    assert set(WITHOUT_CODEC) == set(CallKind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["echo@192.0.2.1", "--codec=MP3"], "no codec MP3"),
        (["112@192.0.2.1"], "--allow emergency"),
        (["echo@192.0.2.1", "--from=nonsense"], "--from takes a URI"),
        (["sip:"], "cannot read"),
    ],
)
def test_what_cannot_be_done(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert run(*arguments) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_nothing_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"bob@127.0.0.1:{free_port()}", "--transport=tcp") == ExitCode.REFUSED
    assert "check port and transport" in " ".join(capsys.readouterr().out.split())
