"""`@value`: everything that a frozen dataclass promises, faster."""

import copy
import dataclasses
import pickle
import pprint
import sys
import threading

import pytest

from sipcore.value import Member, lazy_maker, maker, value


@value
class Point:
    """A value with each kind of field."""

    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", compare=False, repr=False)


@value
class Positive:
    """A value that checks itself."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ArithmeticError


@value
class Word:
    """A value that remembers what was found out about it."""

    text: str
    size: int | None = dataclasses.field(default=None, init=False, compare=False, repr=False)


@value
class Nothing:
    """A value without fields."""


def test_fields_defaults_and_factories() -> None:
    assert Point(1) == Point(x=1, y=2, tags=[])
    assert Point(1, 3, ["a"]).tags == ["a"]
    assert Point(1).tags is not Point(1).tags


def test_a_field_that_is_no_argument_has_its_default() -> None:
    word = Word("ab")
    assert word.size is None
    object.__setattr__(word, "size", 2)
    assert word == Word("ab")
    assert copy.copy(word).size == 2
    assert dataclasses.replace(word, text="abc").size is None
    assert Word.__match_args__ == ("text",)
    with pytest.raises(TypeError):
        Word("ab", size=2)  # type: ignore[call-arg]  # the point of the test


def test_it_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # the point of the test
    with pytest.raises((AttributeError, TypeError)):
        point.other = 2  # type: ignore[attr-defined]  # as above
    assert not hasattr(point, "__dict__")


def test_equality_hash_and_repr() -> None:
    assert Point(1, note="a") == Point(1, note="b")
    assert repr(Point(1)) == "Point(x=1, y=2, tags=[])"
    assert hash(Positive(1)) == hash(Positive(1))
    assert Nothing() == Nothing()


def test_replace_copy_and_pickle() -> None:
    assert dataclasses.replace(Positive(1), number=2) == Positive(2)
    assert copy.copy(Positive(1)) == pickle.loads(pickle.dumps(Positive(1))) == Positive(1)


if sys.version_info >= (3, 13):

    def test_copy_replace() -> None:
        assert copy.replace(Positive(1), number=2) == Positive(2)


def test_post_init_is_called() -> None:
    with pytest.raises(ArithmeticError):
        Positive(-1)


@value
class Lazy:
    """A value that works one field out when it is first asked for."""

    text: str
    length: int = 0

    def __getattr__(self, name: str) -> int:
        if name != "length":
            raise AttributeError(name)
        object.__setattr__(self, "length", len(self.text))
        return len(self.text)


def test_a_maker_makes_the_same_values() -> None:
    make = maker(Point)
    made = make(1, 3, [], "x")
    assert made == Point(1, 3)
    assert (type(made), made.note, repr(made)) == (Point, "x", repr(Point(1, 3)))
    assert maker(Positive)(-1).number == -1  # nobody checks: that is for what was checked already
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.x = 2  # type: ignore[misc]  # the point of the test


def test_a_lazy_maker_leaves_one_slot_empty_until_somebody_asks() -> None:
    made = lazy_maker(Lazy, "length")("abc")
    assert made.length == made.length == 3
    assert made == Lazy("abc", 3)
    assert pickle.loads(pickle.dumps(lazy_maker(Lazy, "length")("ab"))).length == 2


def test_the_first_one_can_be_made_by_several_threads_at_once() -> None:
    @value
    class Fresh:
        """A value of which there is none yet: its `__new__` is compiled with the first."""

        number: int

    together, made = threading.Barrier(8), list[Fresh]()

    def make() -> None:
        together.wait()
        made.append(Fresh(1))

    threads = [threading.Thread(target=make) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [Fresh(1)] * len(threads)
    assert {type(each) for each in made} == {Fresh}


def test_the_fields_can_be_asked_for_by_several_threads_at_once() -> None:
    @value
    class Fresh:
        """A value whose fields nobody has asked for."""

        number: int
        secret: str = dataclasses.field(default="", compare=False, repr=False)

    together, told = threading.Barrier(8), list[list[tuple[str, object, bool, bool]]]()

    def ask() -> None:
        together.wait()
        told.append([(field.name, field.default, field.compare, field.repr) for field in dataclasses.fields(Fresh)])

    threads = [threading.Thread(target=ask) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [[("number", dataclasses.MISSING, True, True), ("secret", "", False, False)]] * len(threads)


def test_it_is_a_dataclass_for_whoever_knows_those() -> None:
    known: object = Point
    assert dataclasses.is_dataclass(known)
    assert dataclasses.asdict(Point(1, note="a")) == {"x": 1, "y": 2, "tags": [], "note": "a"}
    assert pprint.pformat(Positive(1)) == "Positive(number=1)"
    match Point(1, 3):
        case Point(x, y):
            assert (x, y) == (1, 3)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^Point\(\) missing 1 required positional argument: 'x'"):
        Point()  # type: ignore[call-arg]  # the point of the test
    with pytest.raises(TypeError, match=r"^Point\(\) got an unexpected keyword argument 'z'"):
        Point(1, z=1)  # type: ignore[call-arg]  # as above


def test_members_are_told_apart_by_what_they_are() -> None:
    class Light(Member):
        RED = "red"
        GREEN = "green"

    table = {(Light.RED, Light.GREEN): 1}
    assert (table[Light("red"), Light("green")], table.get((Light.GREEN, Light.RED))) == (1, None)
    assert hash(Light.RED) == object.__hash__(Light.RED)
