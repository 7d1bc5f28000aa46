"""Telephone numbers as user parts: how they are written, and which ones must not be called by accident."""

from enum import Enum

from sipcore.errors import LocalError
from sipcore.message.uri import SipUri, escape_user, unescape
from sipcore.value import value

MIN_DIGITS, MAX_DIGITS = 7, 15
"""Of a number that is international (ITU-T E.164 §6.2.1): what has fewer is an extension, or a national short code."""
_SEPARATORS = str.maketrans("", "", "-.() ")
_END = "#"
"""What some exchanges take for the end of a number."""


class NumberFormat(Enum):
    """How an international number stands in a user part."""

    AS_GIVEN = "as-given"
    PLUS = "+e164"
    PLAIN = "e164"


class RefusedNumber(LocalError):
    """A number that is not called unless its `kind` is allowed by name."""

    def __init__(self, user: str, kind: str) -> None:
        self.plain = f"{user} may be {'an' if kind == EMERGENCY.name else 'a'} {kind} number, and is not called"
        """The message for where nobody can allow it."""
        super().__init__(f"{self.plain} unless {kind} numbers are allowed", section="RFC 5031 §4.2")
        self.kind = kind


@value
class Kind:
    """Numbers that are not called by accident: `exact` ones, and those that begin like `international` (after a +)
    or `national` ones.
    """

    name: str
    exact: frozenset[str] = frozenset()
    international: tuple[str, ...] = ()
    national: tuple[str, ...] = ()


EMERGENCY = Kind(
    "emergency",
    frozenset(
        {
            *("112", "911", "999", "000", "110", "111", "113", "115", "117", "118", "119", "120", "122", "133", "144"),
            *("190", "191", "192", "193", "194", "197", "198", "199", "933", "995", "997", "998", "15", "17", "18"),
            *("9911", "0112"),  # with the digit for a line to the outside, where that is the usual one
        }
    ),
)
"""Emergency calls of most countries. 100 to 102, which are some as well, are left out: they are extensions of most
private exchanges."""
SOS = "sos"
"""The name of emergency calls, alone or before a dot and a service such as `fire` (RFC 5031 §4.2)."""
PREMIUM = Kind(
    "premium",
    international=(
        *("1900", "1976", "979", "870", "881", "882", "883"),  # North America; ITU; ships and satellites
        *("449", "4470", "4487", "49900", "49137", "43900", "43930", "43939", "41900", "41901", "41906", "3389"),
        *("31900", "31906", "31909", "3290", "34803", "34806", "34807", "34905", "39892", "39894", "39895", "39899"),
        *("35315", "46900", "46939", "46944", "4870", "61190", "64900"),
    ),
    national=("0900", "0901", "0906", "0909", "0930", "0939", "0137", "0190", "0899", "1900", "1976", "118"),
)
"""Numbers that cost much more than a call, by the plans that national regulators publish."""
ABROAD = ("00", "011", "0011", "010")
"""What is dialled before an international number: in most countries, North America, Australia, and Japan."""
LEAST_ABROAD = 9
"""Digits behind that, of numbers that cost more: national ones that begin alike (Johannesburg, Beijing) are shorter."""
SHORTEST_PREMIUM = 6
"""Digits of a national number that is told by its beginning: extensions are shorter."""
KINDS = {kind.name: kind for kind in (EMERGENCY, PREMIUM)}


def formatted(user: str, number_format: NumberFormat) -> str:
    """A user part with its number written as wanted; what is no international number stays as it is."""
    bare = user.translate(_SEPARATORS)
    digits = bare.removeprefix("+")
    is_number = digits.isascii() and digits.isdecimal() and MIN_DIGITS <= len(digits) <= MAX_DIGITS
    if number_format is NumberFormat.AS_GIVEN or not is_number or digits.startswith("0"):
        return user
    return f"+{digits}" if number_format is NumberFormat.PLUS else digits


def reformatted(uri: SipUri, number_format: NumberFormat) -> SipUri:
    """A URI whose user part is `formatted`."""
    user = uri.decoded_user
    return uri.replace(user=escape_user(formatted(user, number_format))) if user else uri


def kind_of(user: str) -> Kind | None:
    """The kind of number that must not be called by accident; None for any other user part."""
    name = unescape(user).lower().partition(";")[0]
    number = name.translate(_SEPARATORS).rstrip(_END)
    digits = number.removeprefix("+")
    if digits in EMERGENCY.exact or name.partition(".")[0] == SOS:
        return EMERGENCY
    if not digits.isascii() or not digits.isdecimal():
        return None
    abroad = [digits] if number[0] == "+" else _abroad(digits)
    if any(each.startswith(PREMIUM.international) for each in abroad):
        return PREMIUM
    is_national = number[0] != "+" and len(digits) >= SHORTEST_PREMIUM and digits.startswith(PREMIUM.national)
    return PREMIUM if is_national else None


def _abroad(digits: str) -> list[str]:
    """The international numbers that are meant by what is dialled, in one country or another."""
    meant = [digits.removeprefix(prefix) for prefix in ABROAD if digits.startswith(prefix)]
    return [each for each in meant if len(each) >= LEAST_ABROAD]


def require_callable(user: str, allowed: frozenset[str], number_format: NumberFormat = NumberFormat.AS_GIVEN) -> None:
    """Raise RefusedNumber for a number of a kind whose name is not among the `allowed` ones.

    Where a `number_format` is wanted, the number is an international one, whether its + is written or not.
    """
    kind = kind_of(user)
    if kind is None and number_format is not NumberFormat.AS_GIVEN:
        kind = kind_of(formatted(unescape(user), NumberFormat.PLUS))
    if kind is not None and kind.name not in allowed:
        raise RefusedNumber(user, kind.name)
