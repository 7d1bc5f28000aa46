"""Both contracts over one directory, driven at random against a model of a page: whatever one of them writes, both of
them read.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from probes.trunks.model import Encryption, Gateway, HeaderRule, Inbound, Number, Outbound, Trunk
from tests.probes.web.contracts import Portal, Told

CHANNELS, PHONES = "/api/v1/channels/phone", "/v1/phone"
IDENTITIES = ("2001", "2002", "+15550100001", "15550100001")
"""Two of them are one number for whoever looks for it, and two for whoever has both."""
AGENT = {"agent_id": "6f0c1a52-0000-4000-8000-00000000000a", "environment_id": "6f0c1a52-0000-4000-8000-00000000000e"}
identities = st.sampled_from(IDENTITIES)
labels = st.sampled_from([None, "", "desk", "hall"])
encryptions = st.sampled_from([None, "disable", "allow", "require"])
addresses = st.sampled_from([None, [], ["192.0.2.0/28"], ["192.0.2.1", "2001:db8::/32"]])
terminations = st.sampled_from([None, "gw.example.net", "other.example.net:5070"])
headers = st.none() | st.lists(st.sampled_from(["X-A", "x-a", "From"]), max_size=3)


@dataclass
class Known:
    """What a number should be: the value of the model, and whose agent it has."""

    number: Number
    agent: bool = False

    @property
    def is_alone(self) -> bool:
        return self.number.inbound is None and self.number.outbound is None


class Contracts(RuleBasedStateMachine):
    """`configs` and `numbers` are what there should be, in the order in which it was made."""

    portal: Portal
    tenants = 0

    def __init__(self) -> None:
        super().__init__()
        self.configs: dict[str, Trunk] = {}
        self.numbers: list[Known] = []

    @initialize()
    def begin(self) -> None:
        type(self).tenants += 1
        self.key = f"tenant-{self.tenants}"
        self.portal.new_tenant(self.key)

    def ask(self, method: str, path: str, body: object = None) -> Told:
        return self.portal(method, path, body, self.key)

    # What there should be

    def find(self, name: str, among: list[Known] | None = None) -> Known | None:
        other = name[1:] if name.startswith("+") else f"+{name}"
        known = {each.number.identity: each for each in (self.numbers if among is None else among)}
        return known.get(name) or (known.get(other) if other.lstrip("+").isdigit() else None)

    def of(self, config_id: str) -> list[Known]:
        return [each for each in self.numbers if each.number.trunk_id == config_id]

    def join(self, config_id: str, name: str) -> Known | None:
        """The number that comes into a config; None where it is in one already."""
        found = self.find(name)
        if found is None:
            found = Known(Number(identity=name))
            self.numbers.append(found)
        elif found.number.trunk_id is not None:
            return None
        found.number = replace(found.number, trunk_id=config_id)
        return found

    def leave(self, known: Known) -> None:
        if known.is_alone:
            self.numbers.remove(known)
        else:
            known.number, known.agent = replace(known.number, trunk_id=None), False

    def some(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(list(self.configs)))

    # What is asked

    @precondition(lambda self: len(self.configs) < 3)
    @rule(secure=st.booleans(), names=headers)
    def create(self, secure: bool, names: list[str] | None) -> None:
        body = {"name": "pbx", "security": {"secure_trunking": secure}, "custom_invite_headers": as_headers(names)}
        status, told = self.ask("POST", CHANNELS, body)
        assert status == 201
        inbound = Inbound(encryption=Encryption.REQUIRE if secure else Encryption.ALLOW)
        self.configs[told["id"]] = Trunk(name="pbx", inbound=with_headers(inbound, names, append=False))

    @precondition(lambda self: self.configs)
    @rule(data=st.data(), name=st.sampled_from([None, "other"]), secure=st.none() | st.booleans(), names=headers,
          append=st.booleans())  # fmt: skip
    def change(
        self, data: st.DataObject, name: str | None, secure: bool | None, names: list[str] | None, append: bool
    ) -> None:
        config = self.some(data)
        body = {"name": name, "security": {"secure_trunking": secure}, "custom_invite_headers": as_headers(names)}
        status, _ = self.ask("PATCH", f"{CHANNELS}/{config}?append={append}", body)
        assert status == 200
        trunk = self.configs[config]
        assert trunk.inbound is not None
        inbound = with_headers(trunk.inbound, names, append=append)
        if secure is not None:
            inbound = replace(inbound, encryption=Encryption.REQUIRE if secure else Encryption.ALLOW)
        self.configs[config] = replace(trunk, name=name or trunk.name, inbound=inbound)

    @precondition(lambda self: self.configs)
    @rule(
        data=st.data(), items=st.lists(st.tuples(identities, labels, st.booleans()), max_size=3), append=st.booleans()
    )
    def send_list(self, data: st.DataObject, items: list[tuple[str, str | None, bool]], append: bool) -> None:
        config = self.some(data)
        none: dict[str, str | None] = {}
        listed = [
            {"phone_number": name, "description": label, **(AGENT if agent else none)} for name, label, agent in items
        ]
        status, _ = self.ask("PATCH", f"{CHANNELS}/{config}?append={append}", {"phone_numbers": listed})
        bound = self.of(config)
        theirs = [each for each in self.numbers if each.number.trunk_id not in (None, config)]
        left = bound if not append else []
        before = [(each.number, each.agent) for each in self.numbers], list(self.numbers)
        joined: list[Known] = []
        for name, label, agent in items:
            known = self.find(name, bound + joined) or self.join(config, name)
            if known is None:
                assert status == 409
                self.numbers = before[1]
                for each, (number, had) in zip(self.numbers, before[0], strict=True):
                    each.number, each.agent = number, had
                return
            joined.append(known)
            kept = known.number.label if append else ""
            known.number = replace(known.number, label=kept if label is None else label)
            known.agent = agent or (append and known.agent)
        assert status == 200
        assert not any(each in joined for each in theirs)
        for each in left:
            if each not in joined:
                self.leave(each)

    @precondition(lambda self: self.configs)
    @rule(data=st.data(), name=identities, label=labels)
    def add(self, data: st.DataObject, name: str, label: str | None) -> None:
        config = self.some(data)
        status, _ = self.ask("POST", f"{CHANNELS}/{config}/numbers", {"phone_number": name, "description": label})
        known = self.join(config, name)
        assert status == (201 if known else 409)
        if known and label is not None:
            known.number = replace(known.number, label=label)

    @precondition(lambda self: self.configs)
    @rule(data=st.data(), name=identities, new=identities, label=labels)
    def rename(self, data: st.DataObject, name: str, new: str, label: str | None) -> None:
        config = self.some(data)
        path = f"{CHANNELS}/{config}/numbers/{name.replace('+', '%2B')}"
        status, _ = self.ask("PATCH", path, {"phone_number": new, "description": label})
        known = self.find(name)
        if known is None or known.number.trunk_id != config:
            assert status == 404
        elif any(each.number.identity == new for each in self.numbers if each is not known):
            assert status == 409
        else:
            assert status == 200
            label = known.number.label if label is None else label
            known.number = replace(known.number, identity=new, label=label)

    @precondition(lambda self: self.configs)
    @rule(data=st.data(), name=identities)
    def take_out(self, data: st.DataObject, name: str) -> None:
        config = self.some(data)
        status, _ = self.ask("DELETE", f"{CHANNELS}/{config}/numbers/{name.replace('+', '%2B')}")
        known = self.find(name)
        is_there = known is not None and known.number.trunk_id == config
        assert status == (204 if is_there else 404)
        if known is not None and is_there:
            self.leave(known)

    @precondition(lambda self: self.configs)
    @rule(data=st.data())
    def delete_config(self, data: st.DataObject) -> None:
        config = self.some(data)
        assert self.ask("DELETE", f"{CHANNELS}/{config}")[0] == 204
        for known in self.of(config):
            self.leave(known)
        del self.configs[config]

    @rule(name=identities, label=labels, termination=terminations)
    def import_phone(self, name: str, label: str | None, termination: str | None) -> None:
        sip = {"termination_uri": termination} if termination else None
        status, _ = self.ask("POST", f"{PHONES}/import", {"phone_number": name, "nickname": label, "sip_config": sip})
        if any(each.number.identity == name for each in self.numbers):
            assert status == 409
        else:
            assert status == 201
            outbound = Outbound((Gateway.parse(termination),)) if termination else None
            self.numbers.append(Known(Number(identity=name, label=label or "", inbound=Inbound(), outbound=outbound)))

    @precondition(lambda self: self.numbers)
    @rule(data=st.data(), inward=encryptions, allowed=addresses, termination=terminations, outward=encryptions)
    def configure(
        self,
        data: st.DataObject,
        inward: str | None,
        allowed: list[str] | None,
        termination: str | None,
        outward: str | None,
    ) -> None:
        known = data.draw(st.sampled_from(self.numbers))
        body = {
            "inbound_config": {"media_encryption": inward, "allowed_addresses": allowed},
            "outbound_config": {"termination_uri": termination, "media_encryption": outward},
        }
        status, told = self.ask("PATCH", f"{PHONES}/{self.id_of(known)}/sip-config", body)
        assert status == 200
        trunk = self.configs.get(known.number.trunk_id or "")
        if (inward, allowed) != (None, None):
            found = known.number.inbound_by(trunk) or Inbound()
            found = replace(found, encryption=Encryption(inward)) if inward else found
            found = found if allowed is None else replace(found, allowed_addresses=tuple(allowed))
            known.number = replace(known.number, inbound=found)
        if (termination, outward) != (None, None):
            out = known.number.outbound_by(trunk) or Outbound()
            out = replace(out, encryption=Encryption(outward)) if outward else out
            out = replace(out, gateways=(Gateway.parse(termination),)) if termination else out
            known.number = replace(known.number, outbound=out)
        assert told == self.ask("GET", f"{PHONES}/{told['id']}")[1]

    @precondition(lambda self: self.numbers)
    @rule(data=st.data(), label=labels)
    def nickname(self, data: st.DataObject, label: str | None) -> None:
        known = data.draw(st.sampled_from(self.numbers))
        assert self.ask("PATCH", f"{PHONES}/{self.id_of(known)}", {"nickname": label})[0] == 200
        known.number = replace(known.number, label=label or "")

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def delete_phone(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(self.numbers))
        assert self.ask("DELETE", f"{PHONES}/{self.id_of(known)}")[0] == 204
        self.numbers.remove(known)

    def id_of(self, known: Known) -> str:
        _, told = self.ask("GET", f"{PHONES}/?limit=100")
        found: str = next(each["id"] for each in told["data"] if each["number"] == known.number.identity)
        return found

    # What is read

    @invariant()
    def both_read_what_either_wrote(self) -> None:
        if not hasattr(self, "key"):
            return
        status, told = self.ask("GET", CHANNELS)
        assert status == 200
        assert [(each["id"], summary(each)) for each in told["phones"]] == [
            (config, summary_of(trunk, self.of(config))) for config, trunk in self.configs.items()
        ]
        status, told = self.ask("GET", f"{PHONES}/?limit=100&order=asc")
        assert status == 200
        expected = [phone_of(each.number, self.configs.get(each.number.trunk_id or "")) for each in self.numbers]
        assert [(each["number"], each["nickname"], each["sip_config"]) for each in told["data"]] == expected

    def teardown(self) -> None:
        for known in list(self.numbers):
            self.ask("DELETE", f"{PHONES}/{self.id_of(known)}")


def as_headers(names: list[str] | None) -> list[dict[str, str]] | None:
    return None if names is None else [{"name": name} for name in names]


def with_headers(inbound: Inbound, names: list[str] | None, *, append: bool) -> Inbound:
    if names is None:
        return inbound
    wanted = {each.key.lower(): each.key for each in inbound.headers} if append else {}
    wanted |= {name.lower(): name for name in names}
    return replace(inbound, headers=tuple(HeaderRule(key=name, value=name) for name in wanted.values()))


def summary(told: dict[str, Any]) -> tuple[object, ...]:
    numbers = [(each["phone_number"], each["description"], bool(each["agent_id"])) for each in told["phone_numbers"]]
    names = [each["name"] for each in told["custom_invite_headers"]]
    return told["name"], told["security"]["secure_trunking"], names, numbers


def summary_of(trunk: Trunk, known: list[Known]) -> tuple[object, ...]:
    assert trunk.inbound is not None
    numbers = [(each.number.identity, each.number.label or None, each.agent) for each in known]
    names = [each.key for each in trunk.inbound.headers]
    return trunk.name, trunk.inbound.encryption is Encryption.REQUIRE, names, numbers


def phone_of(number: Number, trunk: Trunk | None) -> tuple[object, ...]:
    inbound, outbound = number.inbound_by(trunk) or Inbound(), number.outbound_by(trunk) or Outbound()
    gateway = outbound.gateways[0] if outbound.gateways else None
    sip = {
        "termination_uri": f"{gateway.host}:{gateway.port}" if gateway and gateway.port else gateway and gateway.host,
        "username": None,
        "inbound_media_encryption": inbound.encryption.value,
        "outbound_media_encryption": outbound.encryption.value,
        "allowed_addresses": list(inbound.allowed_addresses) or None,
    }
    return number.identity, number.label or None, sip


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory() as path:
        opened = Portal(Path(path))
        try:
            yield opened
        finally:
            opened.close()


def test_whatever_one_contract_writes_both_read(portal: Portal) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    Contracts.portal = portal
    run_state_machine_as_test(Contracts, settings=settings(max_examples=20, stateful_step_count=25))
