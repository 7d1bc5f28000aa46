"""Identity, Remote-Party-ID and Privacy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.address import Address
from sipcore.message.fields.identity import MAX_PRIVACY, Identity, Privacy, RemoteParty
from sipcore.message.params import Params
from sipcore.message.uri import SipUri
from tests.sipcore.message.fields.reading import (
    addresses,
    assert_reads,
    assert_refuses,
    assert_survives,
    params,
    tokens,
)

INFO = ("info", "<https://cert.example.org/c.pem;v=1>")


def test_identity() -> None:
    read = Identity("eyJh.eyJk.q_-w", Params((INFO, ("alg", "ES256"), ("ppt", "shaken"))))
    assert_reads(Identity.parse, "eyJh.eyJk.q_-w;info=<https://cert.example.org/c.pem;v=1>;alg=ES256;ppt=shaken", read)
    assert (read.info, read.algorithm, read.passport_type) == ("https://cert.example.org/c.pem;v=1", "ES256", "shaken")
    quoted = Identity.parse('..sig ; info = <https://a> ; ppt = "shaken"')
    assert (quoted.digest, quoted.passport_type, quoted.algorithm) == ("..sig", "shaken", None)


@pytest.mark.parametrize("digest", ['"sv5CTo05 KqpS/tHt3d+="', "sv5CTo05"])
def test_identity_of_rfc_4474(digest: str) -> None:
    assert_reads(Identity.parse, digest, Identity(digest), [Deviation.IDENTITY_WITHOUT_INFO])
    assert Identity(digest).info is None


@pytest.mark.parametrize(
    "text", ["", "{}", "missing info param", "a;info=<b", "a;info=<b>c", '"a', "a,b", "a;;info=<b>"]
)
def test_identity_refuses(text: str) -> None:
    assert_refuses(Identity.parse, text)


def test_remote_party() -> None:
    items = (("party", "calling"), ("screen", "YES"), ("privacy", '"off"'))
    read = RemoteParty(Address(SipUri("b", "a"), '"A"', Params(items)))
    assert_reads(RemoteParty.parse, '"A" <sip:a@b>;party=calling;screen=YES;privacy="off"', read)
    assert (read.party, read.is_verified, read.privacy) == ("calling", True, "off")
    plain = RemoteParty(Address(SipUri("b", "a"), bracketed=False))
    assert_reads(RemoteParty.parse, "sip:a@b", plain, [Deviation.ADDRESS_WITHOUT_BRACKETS])
    assert (plain.party, plain.is_verified, plain.privacy) == (None, False, None)
    assert_refuses(RemoteParty.parse, "a@b")


def test_privacy() -> None:
    assert_reads(Privacy.parse, "id", Privacy(("id",)))
    assert_reads(Privacy.parse, "header;user", Privacy(("header", "user")))
    assert_reads(Privacy.parse, "id ; Critical", Privacy(("id", "Critical")), written="id;Critical")
    assert "critical" in Privacy(("id", "Critical"))
    assert "none" not in Privacy(("id",))


@pytest.mark.parametrize("text", ["header,user", "header, user", ";header;user", "header;;user", "header;user;"])
def test_odd_privacy(text: str) -> None:
    expected = Privacy(("header", "user"))
    assert_reads(Privacy.parse, text, expected, [Deviation.PRIVACY_SEPARATOR], written="header;user")


@pytest.mark.parametrize("text", ["", ";", ",", "a b", '"id"', "id=1", "id;" * MAX_PRIVACY])
def test_privacy_refuses(text: str) -> None:
    assert_refuses(Privacy.parse, text)


digests = st.text("abcXYZ019+/-_.", min_size=1)


@given(digests, params, st.builds(RemoteParty, addresses), st.lists(tokens, min_size=1, max_size=3))
def test_survive(digest: str, others: Params, party: RemoteParty, values: list[str]) -> None:
    assert_survives(Identity.parse, Identity(digest, Params((INFO, *others.items))))
    assert_survives(RemoteParty.parse, party)
    assert_survives(Privacy.parse, Privacy(tuple(values)))
