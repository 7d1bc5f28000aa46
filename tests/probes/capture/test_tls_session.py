"""What both ends said in TLS, read out of the bytes between them: the trace of RFC 8448, and OpenSSL with itself."""

from functools import cache

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from probes.capture.tls_keys import KeyLog, keys_of_secret, next_secret
from probes.capture.tls_records import TAG
from probes.capture.tls_session import MAX_GUESSES, MAX_WAITING, TlsError, TlsSession
from probes.capture.tls_suites import SUITES
from probes.capture.unread import Problem
from tests.probes.capture.secured import CLIENT, SERVER, TLS_1_2, TLS_1_3, Said, Secured, secured

TRACE = (
    (
        True,
        "16030100c4010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece70000061301130313020100"
        "00910000000b0009000006736572766572ff01000100000a00140012001d001700180019010001010102010301040023000000330026"
        "0024001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e040305"
        "030603020308040805080604010501060102010402050206020202002d00020101001c00024001",
    ),
    (
        False,
        "160303005a020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e0033002400"
        "1d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304",
    ),
    (
        False,
        "17030302a2d1ff334a56f5bff6594a07cc87b580233f500f45e489e7f33af35edf7869fcf40aa40aa2b8ea73f848a7ca07612ef9f945"
        "cb960b4068905123ea78b111b429ba9191cd05d2a389280f526134aadc7fc78c4b729df828b5ecf7b13bd9aefb0e57f271585b8ea9bb"
        "355c7c79020716cfb9b1183ef3ab20e37d57a6b9d7477609aee6e122a4cf51427325250c7d0e509289444c9b3a648f1d71035d2ed65b"
        "0e3cdd0cbae8bf2d0b227812cbb360987255cc744110c453baa4fcd610928d809810e4b7ed1a8fd991f06aa6248204797e36a6a73b70"
        "a2559c09ead686945ba246ab66e5edd8044b4c6de3fcf2a89441ac66272fd8fb330ef8190579b3684596c960bd596eea520a56a8d650"
        "f563aad27409960dca63d3e688611ea5e22f4415cf9538d51a200c27034272968a264ed6540c84838d89f72c24461aad6d26f59ecaba"
        "9acbbb317b66d902f4f292a36ac1b639c637ce343117b659622245317b49eeda0c6258f100d7d961ffb138647e92ea330faeea6dfa31"
        "c7a84dc3bd7e1b7a6c7178af36879018e3f252107f243d243dc7339d5684c8b0378bf30244da8c87c843f5e56eb4c5e8280a2b48052c"
        "f93b16499a66db7cca71e4599426f7d461e66f99882bd89fc50800becca62d6c74116dbd2972fda1fa80f85df881edbe5a37668936b3"
        "35583b599186dc5c6918a396fa48a181d6b6fa4f9d62d513afbb992f2b992f67f8afe67f76913fa388cb5630c8ca01e0c65d11c66a1e"
        "2ac4c85977b7c7a6999bbf10dc35ae69f5515614636c0b9b68c19ed2e31c0b3b66763038ebba42f3b38edc0399f3a9f23faa63978c31"
        "7fc9fa66a73f60f0504de93b5b845e275592c12335ee340bbc4fddd502784016e4b3be7ef04dda49f4b440a30cb5d2af939828fd4ae3"
        "794e44f94df5a631ede42c1719bfdabf0253fe5175be898e750edc53370d2b",
    ),
    (
        True,
        "170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1caeacab6867d7"
        "26c40546",
    ),
    (
        False,
        "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db289a015940252f55"
        "713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972ac46f75f7b9"
        "81be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c01346755f69232c86519d86"
        "cbeeac87aac347d143f9605d64f650db4d023e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b"
        "3b6c6779b37bf15985684f",
    ),
    (
        True,
        "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a62"
        "92a2977014bd1e3deae63aeebb21694915e4",
    ),
    (
        False,
        "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5"
        "f0a21c0047c2abf332540dd032e167c2955d",
    ),
    (True, "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"),
    (False, "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"),
)
"""The records of RFC 8448 §3, the client's marked True."""
TRACE_LOG = b"""
CLIENT_HANDSHAKE_TRAFFIC_SECRET %(random)s b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21
SERVER_HANDSHAKE_TRAFFIC_SECRET %(random)s b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38
CLIENT_TRAFFIC_SECRET_0 %(random)s 9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5
SERVER_TRAFFIC_SECRET_0 %(random)s a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643
""" % {b"random": b"cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7"}
TALK: list[Said] = [(True, b"INVITE"), (False, b"100"), (False, b"200" * 9000), (True, b"ACK"), (True, b"BYE")]
SUITES_1_2 = [
    *(("ec", f"ECDHE-ECDSA-{cipher}") for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")),
    *(("rsa", f"ECDHE-RSA-{cipher}") for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")),
    *(("rsa", cipher) for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384")),
    *(("rsa", cipher) for cipher in ("AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256")),
    *(("ec", f"ECDHE-ECDSA-{cipher}") for cipher in ("AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA384")),
    *(("rsa", f"ECDHE-RSA-{cipher}") for cipher in ("AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA384")),
]
SUITES_1_3 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")


def heard(wire: list[Said], key_log: bytes) -> tuple[list[Said], TlsError | None]:
    """What both ends said, what stood in several records at once put together, and why no more of it is read."""
    session, found, error = TlsSession(KeyLog(key_log)), list[Said](), None
    try:
        for is_client, data in wire:
            for source, said in session.receive(CLIENT if is_client else SERVER, data):
                found.append((source == CLIENT, said))
    except TlsError as raised:
        error = raised
    return joined(found), error


def joined(said: list[Said]) -> list[Said]:
    """What one end said without a word of the other is one thing."""
    found = list[Said]()
    for is_client, data in said:
        before = found.pop()[1] if found and found[-1][0] is is_client else b""
        found.append((is_client, before + data))
    return found


def problem(made: Secured, key_log: bytes | None = None) -> Problem | None:
    _, error = heard(made.wire, made.key_log if key_log is None else key_log)
    return error.problem if error is not None else None


def test_the_trace_of_rfc_8448() -> None:
    wire = [(is_client, bytes.fromhex(data)) for is_client, data in TRACE]
    said = bytes(range(50))
    assert heard(wire, TRACE_LOG) == ([(True, said), (False, said)], None)
    assert heard(wire, b"\n".join(TRACE_LOG.splitlines()[3:])) == ([(True, said), (False, said)], None)
    _, error = heard(wire, b"\n".join(TRACE_LOG.splitlines()[:3]))  # of the handshake alone
    assert error is not None
    assert error.problem is Problem.NO_KEYS


class Sealer:
    """Makes protected records of TLS 1.3 under one secret, from the record with a number on."""

    def __init__(self, secret: bytes, number: int) -> None:
        self.secret = secret
        self.number = number

    def seal(self, kind: int, content: bytes, padding: int = 0) -> bytes:
        keys = keys_of_secret(AES_128, self.secret)
        inner = content + kind.to_bytes(1) + bytes(padding)
        head = b"\x17\x03\x03" + (len(inner) + TAG).to_bytes(2)
        nonce = (int.from_bytes(keys.iv) ^ self.number).to_bytes(12)
        self.number += 1
        return head + AESGCM(keys.key).encrypt(nonce, inner, head)

    def update(self) -> bytes:
        """A KeyUpdate, behind which the next secret is used (RFC 8446 §4.6.3)."""
        made = self.seal(22, b"\x18\0\0\x01\0")
        self.secret, self.number = next_secret(AES_128, self.secret), 0
        return made


AES_128 = SUITES[0x0304][0x1301]


def after_trace() -> tuple[list[Said], Sealer]:
    """The trace without its end, and what seals what its client says next."""
    secret = next(line.split()[2] for line in TRACE_LOG.splitlines() if line.startswith(b"CLIENT_TRAFFIC"))
    return [(way, bytes.fromhex(data)) for way, data in TRACE[:-2]], Sealer(bytes.fromhex(secret.decode()), 1)


def test_keys_are_changed_in_the_middle_of_tls_1_3() -> None:
    wire, client = after_trace()
    wire += [(True, client.update() + client.seal(23, b"INVITE", 9)), (True, client.update()), (True, client.update())]
    wire.append((True, client.seal(23, b"ACK")))
    said, error = heard(wire, TRACE_LOG)
    assert (said[-1], error) == ((True, b"INVITEACK"), None)


def test_a_record_of_padding_alone_is_damage() -> None:
    wire, client = after_trace()
    _, error = heard([*wire, (True, client.seal(0, b""))], TRACE_LOG)
    assert error is not None
    assert error.problem is Problem.DAMAGED


@given(st.lists(st.tuples(st.sampled_from([20, 21, 22, 23, 99]), st.binary(max_size=60), st.booleans()), max_size=5))
def test_whoever_has_the_keys_may_seal_any_bytes(sealed: list[tuple[int, bytes, bool]]) -> None:
    """A file that brings its own key log: what decrypts is no more to be trusted than what is in the clear."""
    wire, client = after_trace()
    for kind, content, hello in sealed:
        wire.append((True, client.seal(kind, SERVER_HELLO_MESSAGE * hello + content)))
    heard(wire, TRACE_LOG)


SERVER_HELLO_MESSAGE = b"\x02\0\0\x26\x03\x03" + bytes(32) + b"\0\xc0\x13\0" + b"\x14\0\0\0"
"""One of TLS 1.2 with AES-CBC, and a Finished."""


@pytest.mark.parametrize("suite", SUITES_1_3)
def test_every_suite_of_tls_1_3(suite: str) -> None:
    made = secured(TALK, TLS_1_3, suites=suite)
    assert heard(made.wire, made.key_log) == (joined(TALK), None)


@pytest.mark.parametrize("late_mac", [False, True])
@pytest.mark.parametrize(("key", "cipher"), SUITES_1_2)
def test_every_suite_of_tls_1_2(key: str, cipher: str, late_mac: bool) -> None:
    def prepare(context: SSL.Context) -> None:
        if not late_mac:
            context.set_options(NO_ENCRYPT_THEN_MAC)

    made = secured(TALK, TLS_1_2, ciphers=cipher, key=key, prepare=prepare)
    assert heard(made.wire, made.key_log) == (joined(TALK), None)


NO_ENCRYPT_THEN_MAC, ALLOW_RENEGOTIATION = 1 << 19, 1 << 8
"""Options of OpenSSL that have no name in pyOpenSSL."""


def test_keys_are_changed_in_the_middle_of_tls_1_2() -> None:
    def prepare(context: SSL.Context) -> None:
        context.set_options(ALLOW_RENEGOTIATION)

    made = secured(TALK, TLS_1_2, prepare=prepare, between=lambda client: client.renegotiate())
    assert len({line.split()[1] for line in made.keys}) > 2
    assert heard(made.wire, made.key_log) == (joined(TALK), None)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_records_come_in_any_pieces(version: int, size: int) -> None:
    made = secured(TALK[:2], version)
    pieces = [(way, data[at : at + size]) for way, data in made.wire for at in range(0, len(data), size)]
    assert heard(pieces, made.key_log) == (TALK[:2], None)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_directions_that_were_captured_in_another_order(version: int) -> None:
    """As cards with several queues do: all that one end sent, and then all of the other."""
    made = secured(TALK[:2], version)
    for first in (True, False):
        wire = sorted(made.wire, key=lambda piece: piece[0] is not first)
        said, error = heard(wire, made.key_log)
        assert (sorted(said), error) == (sorted(TALK[:2]), None)


def test_who_the_client_is() -> None:
    made = secured(TALK, TLS_1_3)
    session = TlsSession(KeyLog(made.key_log))
    assert (session.client, session.version) == (None, "")
    for client in (SERVER, CLIENT):  # whoever speaks first, as when its ports are the other way round
        assert list(session.receive(client, made.wire[0][1])) == []
        assert session.client == client
    assert list(session.receive(SERVER, made.wire[1][1])) == []
    assert session.version == "TLS 1.3"


def test_without_keys() -> None:
    for version in (TLS_1_2, TLS_1_3):
        made, other = secured(TALK, version), secured(TALK, version)
        for key_log in (b"", other.key_log):
            said, error = heard(made.wire, key_log)
            assert said == []
            assert error is not None
            assert error.problem is Problem.NO_KEYS


def test_wrong_keys() -> None:
    """Those of another session, called those of this one."""
    for version in (TLS_1_2, TLS_1_3):
        made, other = secured(TALK, version), secured(TALK, version)
        wrong = other.key_log.replace(other.keys[0].split()[1], made.keys[0].split()[1])
        assert problem(made, wrong) is Problem.DAMAGED


def test_what_is_not_read_here_is_told() -> None:
    assert problem(secured(TALK, SSL.TLS1_1_VERSION)) is Problem.VERSION
    made = secured(TALK, TLS_1_2, ciphers="AES128-CCM", key="rsa")
    _, error = heard(made.wire, made.key_log)
    assert error is not None
    assert (error.problem, error.detail) == (Problem.SUITE, "0xC09C")


def record(kind: int, body: bytes) -> bytes:
    """A handshake message in a record."""
    message = kind.to_bytes(1) + len(body).to_bytes(3) + body
    return b"\x16\x03\x03" + len(message).to_bytes(2) + message


CLIENT_HELLO = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0"
SERVER_HELLO = b"\x03\x03" + bytes(32) + b"\0"
VERSION_1_3, EARLY_DATA = b"\0\x06\0\x2b\0\x02\x03\x04", b"\0\x04\0\x2a\0\0"
"""Extensions."""
PROTECTED = b"\x17\x03\x03\0\x18" + bytes(24)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ([(False, record(2, SERVER_HELLO + b"\xc0\x2f\x01"))], Problem.COMPRESSED),
        (
            [
                (True, record(1, CLIENT_HELLO + EARLY_DATA)),
                (False, record(2, SERVER_HELLO + b"\x13\x01\0" + VERSION_1_3)),
                (True, PROTECTED),
            ],
            Problem.EARLY,
        ),
        (
            [(True, record(1, CLIENT_HELLO)), (False, record(2, SERVER_HELLO + b"\xc0\x2f\0")), (True, PROTECTED)],
            Problem.NOT_TLS,  # before any ChangeCipherSpec
        ),
        ([(True, record(1, CLIENT_HELLO)), (False, b"SIP/2.0 400 Bad Request\r\n")], Problem.NOT_TLS),
        ([(True, record(1, CLIENT_HELLO)), (False, b"\x16\x03\x03\0\x04\x02\xff\xff\xff")], Problem.NOT_TLS),
        ([(True, record(1, CLIENT_HELLO[:20]))], Problem.NO_HANDSHAKE),
    ],
)
def test_hellos_that_lead_nowhere(wire: list[Said], expected: Problem) -> None:
    said, error = heard(wire, TRACE_LOG)
    assert said == []
    assert error is not None
    assert error.problem is expected


def test_records_are_not_skipped_for_ever() -> None:
    """Where the secret of the handshake was not logged, and the one behind it is wrong."""
    made, other = secured(TALK, TLS_1_3), secured(TALK, TLS_1_3)
    wrong = other.key_log.replace(other.keys[0].split()[1], made.keys[0].split()[1])
    traffic = b"\n".join(line for line in wrong.splitlines() if b"HANDSHAKE" not in line)
    more = [(True, PROTECTED)] * MAX_GUESSES
    assert heard(made.wire, traffic) == ([], None)  # may all be the handshake
    _, error = heard([*made.wire, *more], traffic)
    assert error is not None
    assert error.problem is Problem.DAMAGED


def test_a_handshake_that_fails() -> None:
    for version in (TLS_1_2, TLS_1_3):
        made = secured([], version)
        hello = made.wire[0]
        _, error = heard([hello, (False, bytes.fromhex("15030300020228"))], b"")
        assert error is not None
        assert (error.problem, error.detail) == (Problem.ALERT, "the server says: handshake failure")
        assert heard([hello, (False, bytes.fromhex("15030300020100"))], b"") == ([], None)


def test_a_connection_in_its_middle_waits_for_its_handshake() -> None:
    made = secured(TALK, TLS_1_3)
    session = TlsSession(KeyLog(made.key_log))
    waits = [session.waits]
    assert list(session.receive(CLIENT, made.wire[-1][1])) == []
    assert [*waits, session.waits] == [False, True]
    record = bytes.fromhex("1703034000") + bytes(0x4000)
    for _ in range(MAX_WAITING // len(record) - 1):
        assert list(session.receive(CLIENT, record)) == []
    with pytest.raises(TlsError) as raised:
        list(session.receive(CLIENT, 2 * record))
    assert raised.value.problem is Problem.NO_HANDSHAKE


def test_what_was_said_before_the_damage_is_read() -> None:
    made = secured(TALK, TLS_1_3)
    *whole, (way, last) = made.wire
    said, error = heard([*whole, (way, last[:-1] + bytes([last[-1] ^ 1]))], made.key_log)
    assert said == joined(TALK[:-1])
    assert error is not None
    assert error.problem is Problem.DAMAGED


@cache
def made_once(version: int, ciphers: str = "") -> Secured:
    return secured(TALK[:2], version, ciphers=ciphers, key="rsa")


@given(st.sampled_from([(TLS_1_3,), (TLS_1_2,), (TLS_1_2, "AES128-SHA256")]), st.data())
def test_any_bytes_are_read_or_told_of(which: tuple[int] | tuple[int, str], data: st.DataObject) -> None:
    """Records that were changed, cut, repeated, or made up never lead to what nobody said, nor to another error."""
    made = made_once(*which)
    wire = list(made.wire)
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(wire) - 1))
        way, piece = wire[number]
        at = data.draw(st.integers(0, len(piece)))
        change = data.draw(st.sampled_from(["set", "cut", "again", "insert", "swap"]))
        if change == "set" and piece:
            piece = piece[:at] + data.draw(st.binary(min_size=1, max_size=4)) + piece[at + 1 :]
        elif change == "cut":
            piece = piece[:at]
        elif change == "insert":
            piece = piece[:at] + data.draw(st.binary(max_size=40)) + piece[at:]
        elif change == "swap":
            way = not way
        wire[number : number + 1] = [(way, piece)] * (2 if change == "again" else 1)
    said, error = heard(wire, made.key_log)
    assert len(said) <= len(TALK[:2])
    assert {text for _, text in said} <= {text for _, text in TALK[:2]}
    if error is not None:
        told = f"{error!r} {error}"
        assert not any(secret.decode() in told for line in made.keys for secret in line.split()[1:])


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=6), st.booleans())
def test_any_handshake_is_read_or_told_of(pieces: list[Said], begun: bool) -> None:
    records = [(way, b"\x16\x03\x03" + len(data).to_bytes(2) + data) for way, data in pieces]
    made = made_once(TLS_1_3)
    heard([*made.wire[:1], *records] if begun else records, made.key_log)
