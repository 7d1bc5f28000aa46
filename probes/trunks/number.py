"""The names by which calls are taken: telephone numbers (E.164), and all others, which stay as they are."""

import re

from sipcore.errors import LocalError, quoted

MAX_IDENTITY = 128
"""Characters of a name: as many as the user of any SIP URI in use has."""
_SECTION = "RFC 3966 §5.1.4"
_is_spelled = re.compile(r"\+[0-9][0-9\-.() ]*+").fullmatch


class NumberError(LocalError):
    """A name that calls cannot be taken by."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section=_SECTION)


def is_e164(identity: str) -> bool:
    """Whether a name is a telephone number, and so one of its kind in the world."""
    return identity.startswith("+")


def identity_of(text: str) -> str:
    """A name as it is stored: what begins with `+` as E.164 has it, without what is written between the digits; all
    else as it is. Raises NumberError.
    """
    given = text.strip()
    if not given:
        raise NumberError("a number is wanted: give +15550100001, or an extension such as 2001")
    if len(given) > MAX_IDENTITY:
        raise NumberError(f"a number of {len(given)} characters: give {MAX_IDENTITY} at most")
    if is_e164(given):
        return _e164(given)
    if not given.isprintable() or any(each.isspace() for each in given):
        raise NumberError(f"{quoted(given)} has white space or what cannot be printed in it: leave that out")
    if any(each.isdigit() and not each.isascii() for each in given):  # they look like 2001, and no call is for them
        raise NumberError(f"{quoted(given)} has digits of another script: write 0 to 9")
    return given


def claim_of(tenant: str, identity: str) -> str:
    """What two numbers must not have in common: a telephone number belongs to one tenant alone, any other name to one
    in each tenant.
    """
    return identity if is_e164(identity) else f"{tenant} {identity}"


def spellings(identity: str) -> tuple[str, ...]:
    """Under which names to look for one that somebody has given: as it is, and then with or without the `+`."""
    other = identity[1:] if is_e164(identity) else f"+{identity}"
    return (identity, other) if other.isdecimal() or identity.isdecimal() else (identity,)


def is_assigned(identity: str) -> bool:
    """Whether a telephone number is in a range that is in use, as far as the tables know; True for other names."""
    import phonenumbers

    return not is_e164(identity) or phonenumbers.is_valid_number(phonenumbers.parse(identity))


def _e164(given: str) -> str:
    import phonenumbers  # its tables take a while to load

    if not _is_spelled(given):
        raise NumberError(f"{quoted(given)} is no telephone number: after + there are digits")
    try:
        found = phonenumbers.parse(given)
    except phonenumbers.NumberParseException:
        raise NumberError(f"{quoted(given)} has no country code that exists: write +15550100001 for example") from None
    reason = phonenumbers.is_possible_number_with_reason(found)
    if reason == phonenumbers.ValidationResult.TOO_LONG:
        raise NumberError(f"{quoted(given)} has more digits than numbers of its country have")
    if reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise NumberError(f"{quoted(given)} is no whole number of its country: digits are missing")
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
