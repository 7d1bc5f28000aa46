"""Messages as packets: headers, checksums, sequence numbers; what is left of them without credentials."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.report.packets import ACK, MAX_SEGMENT, PSH, SYN, TCP, Packet, covered, packets
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace, WireTrace
from tests.probes.report.recorded import BUSY, INVITE, LOCAL, RECORDS, REMOTE, SECRET, START, UDP, received, sent

TLS = Flow(Transport.TLS, LOCAL, SocketAddress("192.0.2.2", 5061), 7)


def ones_sum(data: bytes) -> int:
    """The one's complement sum of RFC 1071; 0xFFFF over data with a right checksum in it."""
    total = sum(int.from_bytes(data[place : place + 2].ljust(2, b"\0")) for place in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def taken_apart(packet: Packet) -> tuple[int, str, str, bytes]:
    """Protocol, source, destination and content of an IP packet whose checksums are right."""
    data = packet.data
    if data[0] >> 4 == 4:
        length, protocol = struct.unpack_from("!H", data, 2)[0], data[9]
        assert length == len(data)
        assert ones_sum(data[:20]) == 0xFFFF
        addresses, content = data[12:20], data[20:]
        pseudo = addresses + struct.pack("!BBH", 0, protocol, len(content))
    else:
        length, protocol = struct.unpack_from("!HB", data, 4)
        assert length == len(data) - 40
        addresses, content = data[8:40], data[40:]
        pseudo = addresses + struct.pack("!IHBB", len(content), 0, 0, protocol)
    assert ones_sum(pseudo + content) == 0xFFFF
    half = len(addresses) // 2
    source, destination = (str(ipaddress.ip_address(part)) for part in (addresses[:half], addresses[half:]))
    return protocol, source, destination, content


def test_a_datagram_is_what_it_was() -> None:
    there, back = packets([sent(0.0, b"abc"), received(0.1, b"defg")])
    assert (there.at, back.at, there.comment) == (START, START + 0.1, "")
    protocol, source, destination, content = taken_apart(there)
    assert (protocol, source, destination) == (17, "192.0.2.1", "192.0.2.2")
    assert struct.unpack("!HHH", content[:6]) == (40000, 5060, 11)
    assert content[8:] == b"abc"
    assert taken_apart(back)[1:3] == ("192.0.2.2", "192.0.2.1")


def test_ipv6_and_zones() -> None:
    flow = Flow(Transport.UDP, SocketAddress("fe80::1%eth0", 40000), SocketAddress("fe80::2%eth0", 5060))
    (packet,) = packets([sent(0.0, b"x", flow)])
    assert taken_apart(packet)[:3] == (17, "fe80::1", "fe80::2")


def test_a_connection_opens_and_counts_its_bytes() -> None:
    flow = Flow(Transport.TCP, LOCAL, REMOTE, 1)
    found = [taken_apart(packet) for packet in packets([sent(0.0, b"abc", flow), received(0.1, b"de", flow)])]
    assert [protocol for protocol, *_ in found] == [TCP] * 5
    told = [(content[13], *struct.unpack_from("!II", content, 4), content[20:]) for *_, content in found]
    assert told == [
        (SYN, 0, 0, b""),
        (SYN | ACK, 0, 1, b""),
        (ACK, 1, 1, b""),
        (PSH | ACK, 1, 1, b"abc"),
        (PSH | ACK, 1, 4, b"de"),
    ]


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS, Transport.WS])
@pytest.mark.parametrize(("local", "remote"), [(LOCAL, REMOTE), (REMOTE, LOCAL)])
def test_a_captured_connection_is_one_too(transport: Transport, local: SocketAddress, remote: SocketAddress) -> None:
    """Each message in a capture is told as sent by its source, so that both directions have a flow of their own."""
    flow, back = Flow(transport, local, remote), Flow(transport, remote, local)
    told = [sent(0.0, b"abc", flow), received(0.1, b"de", flow), sent(0.2, b"f", flow)]
    captured = [sent(0.0, b"abc", flow), sent(0.1, b"de", back), sent(0.2, b"f", flow)]
    assert packets(captured) == packets(told)


def test_who_was_called_did_not_open_the_connection() -> None:
    flow = Flow(Transport.TCP, SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 40000), 1)
    first, second, *_ = packets([received(0.0, b"abc", flow)])
    assert (taken_apart(first)[1], taken_apart(second)[1]) == ("192.0.2.2", "192.0.2.1")


@pytest.mark.parametrize(
    ("local", "remote", "ports"), [(40000, 5061, (40000, 5060)), (5061, 40000, (5060, 40000))], ids=["there", "here"]
)
def test_what_was_secret_on_the_wire_stands_in_the_clear_under_another_port(
    local: int, remote: int, ports: tuple[int, int]
) -> None:
    flow = Flow(Transport.TLS, SocketAddress("192.0.2.1", local), SocketAddress("192.0.2.2", remote), 1)
    *_, last = packets([sent(0.0, b"abc", flow)])
    content = taken_apart(last)[3]
    assert struct.unpack("!HH", content[:4]) == ports
    assert last.comment == "TLS, port 5061 on the wire, shown in the clear"


def test_a_retransmission_is_told() -> None:
    *_, last = packets([sent(0.5, flow=TLS, attempt=2)])
    assert last.comment.endswith("; retransmission 2")
    (again,) = packets([sent(0.5, attempt=1)])
    assert again.comment == "retransmission 1"


def test_only_messages_are_packets() -> None:
    assert len(list(packets(RECORDS))) == 3


def test_no_credential_is_in_a_packet() -> None:
    (packet,) = packets([sent(0.0)])
    assert SECRET.encode() not in packet.data
    assert len(packet.data) == len(INVITE) + 28


def test_media_keys_are_covered_in_their_length() -> None:
    body = b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"
    message = BUSY.replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: %d\r\n\r\n" % len(body)) + body
    assert b"WVNfX19z" not in covered(message)
    (packet,) = packets([received(0.0, message)])
    assert packet.data.endswith(b"\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + b"A" * 40 + b"\r\n")
    assert len(covered(message)) == len(message)


def test_a_message_beyond_one_segment_takes_several() -> None:
    flow = Flow(Transport.TCP, LOCAL, REMOTE, 1)
    data = b"x" * (MAX_SEGMENT + 10)
    *_, first, second = packets([sent(0.0, data, flow)])
    assert (len(taken_apart(first)[3]), len(taken_apart(second)[3])) == (MAX_SEGMENT + 20, 30)


@given(st.binary(max_size=300), st.booleans(), st.sampled_from(Transport), st.booleans())
def test_any_bytes_make_right_packets(data: bytes, ours: bool, transport: Transport, ipv6: bool) -> None:
    hosts = ("2001:db8::1", "2001:db8::2") if ipv6 else ("192.0.2.1", "192.0.2.2")
    flow = Flow(transport, SocketAddress(hosts[0], 40000), SocketAddress(hosts[1], 5060), 1)
    direction = Direction.SENT if ours else Direction.RECEIVED
    found = [taken_apart(packet) for packet in packets([MessageTrace(START, direction, flow, data)])]
    overhead = 8 if transport is Transport.UDP else 20
    assert b"".join(content[overhead:] for *_, content in found) == covered(data)


def test_datagrams_have_their_flow() -> None:
    (packet,) = packets([sent(0.0, b"abc", UDP)])
    assert struct.unpack("!HH", taken_apart(packet)[3][:4]) == (LOCAL.port, REMOTE.port)


def carried(at: float, data: bytes, flow: Flow, direction: Direction = Direction.SENT) -> WireTrace:
    return WireTrace(START + at, direction, flow, data)


def test_tls_at_another_port_says_once_how_to_look_into_it() -> None:
    for port, told in (
        (5061, []),
        (21805, ["SIP is in it: Decode As, TLS port 21805, SIP (tshark -d tls.port==21805,sip)"]),
    ):
        flow = Flow(Transport.TLS, LOCAL, SocketAddress("192.0.2.2", port), 7)
        made = packets([], [carried(0.0, b"\x16hello", flow), carried(0.1, b"\x17more", flow)])
        assert [packet.comment for packet in made if packet.comment] == told


def test_media_stands_among_the_messages_by_its_time() -> None:
    rtp = Flow(Transport.UDP, SocketAddress("192.0.2.1", 40002), SocketAddress("192.0.2.3", 50000))
    wire = [carried(0.05, b"there", rtp), carried(0.2, b"back", rtp, Direction.RECEIVED)]
    made = packets([sent(0.0, b"abc"), received(0.1, b"defg")], wire)
    assert [taken_apart(packet)[3][8:] for packet in made] == [b"abc", b"there", b"defg", b"back"]
    assert [taken_apart(packet)[1] for packet in made] == ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_what_was_kept_of_tls_stands_for_its_messages() -> None:
    wire = [carried(-0.1, b"\x16hello", TLS), carried(0.0, b"\x17secret", TLS, Direction.RECEIVED)]
    made = packets([sent(0.0, flow=TLS), sent(0.2, b"other")], wire)
    contents = [taken_apart(packet) for packet in made]
    opening = [struct.unpack("!HH", content[:4]) for *_, content in contents[:3]]
    assert opening == [(40000, 5061), (5061, 40000), (40000, 5061)]
    assert [content[20:] for protocol, *_, content in contents if protocol == TCP][3:] == [b"\x16hello", b"\x17secret"]
    assert contents[-1][3][8:] == b"other"
    assert not any(b"INVITE" in packet.data for packet in made)


def test_plain_connections_are_told_by_their_messages_whose_credentials_are_covered() -> None:
    flow = Flow(Transport.TCP, LOCAL, REMOTE, 1)
    made = packets([sent(0.0, flow=flow)], [carried(0.0, INVITE, flow)])
    assert sum(b"INVITE" in packet.data for packet in made) == 1
    assert not any(SECRET.encode() in packet.data for packet in made)
