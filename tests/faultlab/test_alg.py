"""The gateway of the lab writes what it should into datagrams, and leaves them sound."""

from tests.faultlab.alg import SipAlg, with_payload
from tests.impairment.packet import Place, ports
from tests.impairment.packets import ALICE, BOB, is_sound, udp

ALG = SipAlg(b"192.0.2.1", b"203.0.113.254", port=5060)
VIA = b"Via: SIP/2.0/UDP 192.0.2.1:5060\r\n"


def test_an_address_is_replaced_and_the_packet_stays_sound() -> None:
    packet = with_payload(udp(ALICE, BOB), VIA)
    changed = ALG.outbound(packet, 0.0)
    assert changed is not None
    assert changed[28:] == b"Via: SIP/2.0/UDP 203.0.113.254:5060\r\n"
    assert is_sound(changed)
    assert ports(changed) == ports(packet)


def test_what_comes_in_and_what_is_for_others_passes() -> None:
    packet = with_payload(udp(ALICE, BOB), VIA)
    assert ALG.inbound(packet, 0.0) == packet
    other = with_payload(udp(ALICE, Place.parse("198.51.100.1", 53)), VIA)
    assert ALG.outbound(other, 0.0) == other
