"""What each request that writes does to a config and its numbers, all of it or nothing.

A number that another contract of the tenant has, and that goes by no trunk yet, is taken into a config as it is, and
stays when it leaves the config. One that only this contract knows is gone with its config.
"""

from collections.abc import Container, Iterable, Sequence
from functools import partial

from probes.service.batch import Batch
from probes.service.errors import Conflict, NotFound
from probes.trunks.model import Number, Trunk
from probes.trunks.number import spellings
from probes.web.errors import flawed
from probes.web.watsonx.bodies import NumberItem, UpdateNumber, UpdatePhone
from probes.web.watsonx.mapping import changed, is_alone, is_sip, number_changed, number_of, unbound, with_item

_ONLY_SIP = "a genesys_audio_connector has no phone numbers"


def update(
    batch: Batch, config_id: str, body: UpdatePhone, by: str, *, append: bool
) -> tuple[Trunk, tuple[Number, ...]]:
    """Change a config, its numbers with it, by the key `by`. Raises RequestFailure, and what the directory raises."""
    trunk = batch.change_trunk(config_id, lambda found: changed(found, body, by, append=append))
    if body.phone_numbers is not None:
        _set_numbers(batch, config_id, body.phone_numbers, append=append)
    numbers = batch.numbers(config_id)
    if numbers and not is_sip(trunk):
        name = "service_provider" if body.phone_numbers is None else "phone_numbers"
        raise flawed(("body", name), f"{_ONLY_SIP}: send phone_numbers as an empty list with it", "service_provider")
    return trunk, numbers


def _set_numbers(batch: Batch, config_id: str, items: Sequence[NumberItem], *, append: bool) -> None:
    bound = {number.identity: number for number in batch.numbers(config_id)}
    wanted: dict[str, list[NumberItem]] = {}
    for item in items:
        name = item.phone_number
        same = _spelled_as(name, bound) or _spelled_as(name, wanted) or name
        wanted.setdefault(same, []).append(item)
    if not append:
        _leave(batch, [number for identity, number in bound.items() if identity not in wanted])
    found = batch.all_named([identity for identity in wanted if identity not in bound])
    added = []
    for identity, said in wanted.items():
        known = bound.get(identity) or found.get(identity)
        if known is not None and known.trunk_id not in (None, config_id):
            raise _belongs(known, "another config")
        made = known or Number(identity=said[0].phone_number)
        if identity not in bound:
            made = with_item(made, said[0], config_id)
        for item in said:
            made = with_item(made, item, config_id, merges=append)
        if known is None:
            added.append(made)
        elif made != known:
            batch.change_number(known.id, partial(_become, made))
    batch.add_all(added)


def _become(made: Number, _: Number) -> Number:
    return made


def add(batch: Batch, config_id: str, item: NumberItem) -> Number:
    """Add a number to a config. Raises as `update` does, Conflict where it is there already."""
    _require_sip(batch.trunk(config_id))
    return _join(batch, config_id, item)


def change(batch: Batch, config_id: str, name: str, body: UpdateNumber) -> Number:
    """Change a number of a config. Raises as `update` does, NotFound where it has none of that name."""
    _require_sip(batch.trunk(config_id))
    number = _named(batch, config_id, name)
    return batch.change_number(number.id, lambda found: number_changed(found, body))


def remove(batch: Batch, config_id: str, name: str) -> None:
    """Take a number out of a config. Raises as `change` does."""
    _require_sip(batch.trunk(config_id))
    _leave(batch, [_named(batch, config_id, name)])


def delete(batch: Batch, config_id: str) -> None:
    """Forget a config, and of its numbers those that nobody else knows."""
    _leave(batch, batch.numbers(config_id))
    batch.remove_trunk(config_id)


def _require_sip(trunk: Trunk) -> None:
    if not is_sip(trunk):
        text = f"{_ONLY_SIP}: this config is one, take one with the service_provider sip_trunk"
        raise flawed(("path", "config_id"), text, "service_provider")


def _spelled_as(name: str, names: Container[str]) -> str:
    """A name among others that is the same number, with or without the `+`; empty for none."""
    return next((each for each in spellings(name) if each in names), "")


def _named(batch: Batch, config_id: str, name: str) -> Number:
    try:
        number = batch.number_named(name)
    except NotFound:
        number = None
    if number is None or number.trunk_id != config_id:
        raise NotFound("the config has no such number")
    return number


def _join(batch: Batch, config_id: str, item: NumberItem) -> Number:
    """Have a number in a config: a new one, or one that goes by no trunk yet. Raises Conflict."""
    try:
        found = batch.number_named(item.phone_number)
    except NotFound:
        return batch.add_number(number_of(item, config_id))
    if found.trunk_id is not None:
        raise _belongs(found, "this config" if found.trunk_id == config_id else "another config")
    return batch.change_number(found.id, lambda number: with_item(number, item, config_id))


def _belongs(number: Number, whose: str) -> Conflict:
    return Conflict(f"{number.identity} belongs to {whose} already")


def _leave(batch: Batch, numbers: Iterable[Number]) -> None:
    left = list(numbers)
    batch.unbind([number for number in left if not is_alone(number)], unbound)
    batch.remove_all([number.id for number in left if is_alone(number)])


def by_trunk(numbers: Iterable[Number]) -> dict[str | None, list[Number]]:
    """Numbers by the config that they belong to."""
    found: dict[str | None, list[Number]] = {}
    for number in numbers:
        found.setdefault(number.trunk_id, []).append(number)
    return found
