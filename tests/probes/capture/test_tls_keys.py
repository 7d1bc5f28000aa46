"""Key logs as programs write them, and keys as the RFCs derive them."""

import pytest

from probes.capture.tls_keys import KeyLog, Label, expand_label, keys_of_master, keys_of_secret, next_secret, prf
from probes.capture.tls_suites import SUITES

RANDOM, SECRET = bytes(range(32)), bytes(range(100, 148))
HANDSHAKE = bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
AES_128 = SUITES[0x0304][0x1301]


def line(label: bytes = b"CLIENT_RANDOM", random: bytes = RANDOM, secret: bytes = SECRET) -> bytes:
    return b" ".join([label, random.hex().encode(), secret.hex().encode()])


def test_what_an_application_logs() -> None:
    other = bytes(32)
    log = KeyLog(
        b"# made by a test\r\n\r\n" + line() + b"\r\n" + line(b"EXPORTER_SECRET") + b"\r\n",
        line(b"SERVER_TRAFFIC_SECRET_0", other, SECRET[:32]).upper().replace(b"0X", b"0x"),
    )
    assert log
    assert log.secret(Label.MASTER, RANDOM) == SECRET
    assert log.secret(Label.SERVER_TRAFFIC, other) == SECRET[:32]
    assert log.secret(Label.CLIENT_TRAFFIC, other) is None
    assert log.secret(Label.MASTER, other) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe\x00",
        b"CLIENT_RANDOM",
        b"CLIENT_RANDOM 00 11",
        line(random=RANDOM[1:]),
        line(secret=b""),
        line(secret=SECRET[:-1]),
        line().replace(b"64", b"zz"),
        line().replace(b"64", "é".encode()),
        line() + b" more",
        line(b"client_random"),
    ],
)
def test_what_is_no_key_is_left_out(text: bytes) -> None:
    assert not KeyLog(text)


def test_no_secret_is_shown() -> None:
    log = KeyLog(line())
    keys = keys_of_master(SUITES[0x0303][0xC02F], SECRET, RANDOM, RANDOM)
    hidden = [SECRET, *(part for each in keys for part in (each.key, each.iv))]
    for shown in (repr(log), repr(keys), str(keys)):
        assert not any(secret.hex() in shown or repr(secret)[2:-1] in shown for secret in hidden)


def test_the_keys_of_tls_1_3() -> None:
    keys = keys_of_secret(AES_128, HANDSHAKE)  # RFC 8448 §3, "derive write traffic keys for handshake data"
    assert keys.key.hex() == "3fce516009c21727d0f2e4e86ee403bc"
    assert keys.iv.hex() == "5d313eb2671276ee13000b30"
    finished = expand_label("sha256", HANDSHAKE, b"finished", 32)
    assert finished.hex() == "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8"


def test_a_label_is_expanded_beyond_one_hash() -> None:
    long = expand_label("sha256", HANDSHAKE, b"key", 80)
    assert len(long) == 80
    assert len({long[:32], long[32:64], long[64:]}) == 3


def test_the_secret_that_follows_is_another_one_of_the_same_size() -> None:
    for suite in SUITES[0x0304].values():
        secret = next_secret(suite, HANDSHAKE)
        assert len(secret) == {"sha256": 32, "sha384": 48}[suite.hash]
        assert secret != HANDSHAKE


def test_the_function_that_tls_1_2_makes_keys_with() -> None:
    """The published test of P_SHA256 (https://mailarchive.ietf.org/arch/msg/tls/fzVCzk-z3FShgGJ6DOXqM1ydxms/)."""
    made = prf(
        "sha256",
        bytes.fromhex("9bbe436ba940f017b17652849a71db35"),
        b"test label",
        bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"),
        100,
    )
    assert made.hex().startswith("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791")
    assert made.hex().endswith("87347b66")
