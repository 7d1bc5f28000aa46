"""Banners: product, version and platform of those that are met, and no guess for others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.discovery.banner import MAX_BANNER, read_banner, system_of
from probes.result import System
from sipcore.message.headers import headers_of
from sipcore.message.message import Response


@pytest.mark.parametrize(
    ("banner", "product", "version", "platform"),
    [
        ("Asterisk PBX 22.10.1~dfsg+~cs6.17-1", "Asterisk", "22.10.1~dfsg+~cs6.17-1", ""),
        ("Asterisk PBX certified/20.7-cert2", "Asterisk", "20.7-cert2", ""),
        ("Asterisk PBX", "Asterisk", "", ""),
        ("FPBX-16.0.40(18.9)", "FreePBX", "16.0.40", "Asterisk 18.9"),
        ("kamailio (5.6.3 (x86_64/linux))", "Kamailio", "5.6.3", "x86_64/linux"),
        ("Kamailio (1.5.4-notls (i386/linux))", "Kamailio", "1.5.4", "i386/linux"),
        ("kamailio (6.0.0-dev2 (x86_64/linux))", "Kamailio", "6.0.0-dev2", "x86_64/linux"),
        ("Kamailio I-CSCF", "Kamailio", "", ""),
        ("OpenSIPS (3.4.2 (x86_64/linux))", "OpenSIPS", "3.4.2", "x86_64/linux"),
        ("OpenSIPS ()", "OpenSIPS", "", ""),
        ("OpenSer (1.3.2-notls (x86_64/linux))", "OpenSER", "1.3.2", "x86_64/linux"),
        ("Sip EXpress router (0.9.6 (i386/linux))", "SIP Express Router", "0.9.6", "i386/linux"),
        ("FreeSWITCH-mod_sofia/1.10.9", "FreeSWITCH", "1.10.9", ""),
        ("FreeSWITCH-mod_sofia/1.10.12-release~a88d069d6f~64bit", "FreeSWITCH", "1.10.12", ""),
        ("3CXPhoneSystem 18.0.5", "3CX Phone System", "18.0.5", ""),
        ("3CXPhoneSystem 20.0.9.995 (995)", "3CX Phone System", "20.0.9.995", ""),
        ("Cisco-SIPGateway/IOS-15.x", "Cisco IOS gateway", "15.x", ""),
        ("Cisco-CUCM12.5", "Cisco Unified CM", "12.5", ""),
        ("Microsoft.PSTNHub.SIPProxy v.2020.7.31.1 i.USWE2.3", "Microsoft Teams", "2020.7.31.1", ""),
        ("TANDBERG/4137 (X12.5.2)", "TANDBERG", "X12.5.2", ""),
        ("baresip v1.0.0 (x86_64/Linux)", "baresip", "1.0.0", "x86_64/Linux"),
        ("sipprobe", "sipprobe", "", ""),
        ("sipprobe/1.2.0", "sipprobe", "1.2.0", ""),
        ("Twilio Gateway", "", "", ""),
        ("snom370/8.7.3.25", "snom370", "8.7.3.25", ""),
        ("LinphoneiOS/4.5.1 (iPhone) LinphoneSDK/5.0.40", "LinphoneiOS", "4.5.1", "iPhone"),
        (
            "Audiocodes-Sip-Gateway-Mediant 1000/v.5.80A.055.002",
            "Audiocodes-Sip-Gateway-Mediant 1000",
            "5.80A.055.002",
            "",
        ),
        ("Yealink SIP-T42S 66.84.0.125", "Yealink SIP-T42S", "66.84.0.125", ""),
        ("AVM FRITZ!Box 7490 113.07.12", "AVM FRITZ!Box 7490", "113.07.12", ""),
        ("AVM FRITZ!Box 7490", "", "", ""),
        ("Asteriskoid 1.0", "Asteriskoid", "1.0", ""),
        ("1.2.3", "", "", ""),
        ("/1.2.3", "", "", ""),
    ],
)
def test_products(banner: str, product: str, version: str, platform: str) -> None:
    assert read_banner(banner) == System(banner, product, version, platform)


@given(st.text(max_size=MAX_BANNER))
def test_any_text_is_read(banner: str) -> None:
    system = read_banner(banner)
    assert system.banner == banner
    assert system.version in banner


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("Server", "Asterisk PBX 22.1.0"), ("User-Agent", "x/1")], "Asterisk PBX 22.1.0"),
        ([("User-Agent", "baresip v1.0.0 (x86_64/Linux)")], "baresip v1.0.0 (x86_64/Linux)"),
        ([("Server", ""), ("User-Agent", "x/1")], "x/1"),
        ([("Server", "x" * 1000)], "x" * MAX_BANNER),
        ([], None),
    ],
)
def test_where_the_banner_stands(fields: list[tuple[str, str]], expected: str | None) -> None:
    system = system_of(Response(200, "OK", headers_of(*fields)))
    assert (system and system.banner) == expected
