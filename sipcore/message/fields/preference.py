"""What is preferred or able: codings and languages with their q, sets of features, priorities."""

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.message.fields.parameterized import Kind, Q, check, cut, cut_token, q_of
from sipcore.message.params import NO_PARAMS, Params
from sipcore.pattern import Pattern
from sipcore.value import value

# RFC 3261 §25.1 allows letters only; RFC 5646 §2.1, which names languages today, also digits, as in es-419.
_LANGUAGE = Pattern(r"[A-Za-z]{1,8}(?>(?:-[A-Za-z0-9]{1,8})*)")
_PRIORITY = Pattern(r"([A-Za-z0-9\-!%*_+`'~]++)\.([A-Za-z0-9\-!%*_+`'~]++)")
_WEIGHT: dict[str, Kind] = {"q": Q}


@value
class Preference:
    """One of several choices, with its q; `*` stands for all others.

    A coding or a language (RFC 3261 §20.2, §20.3), or a security mechanism (RFC 3329 §2.2).
    """

    name: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Preference":
        """Read one value of Accept-Encoding or Security-Server; raises ParseError."""
        name, params = cut_token(text, notes, "the choice", "RFC 3261 §25.1")
        check(params, _WEIGHT, notes)
        return cls(name, params)

    @property
    def q(self) -> float:
        """How welcome it is, 0.0 to 1.0."""
        return q_of(self.params)

    def __str__(self) -> str:
        return f"{self.name}{self.params}"


def parse_language_range(text: str, notes: Notes | None = None) -> Preference:
    """One value of Accept-Language (RFC 3261 §20.3); raises ParseError."""
    name, params = cut(text, notes)
    check(params, _WEIGHT, notes)
    return Preference(name if name == "*" else parse_language(name), params)


def parse_language(text: str, notes: Notes | None = None) -> str:
    """One value of Content-Language (RFC 3261 §20.13); raises ParseError."""
    stripped = text.strip(" \t")
    if not _LANGUAGE.fullmatch(stripped):
        raise ParseError("not a language", section="RFC 3261 §25.1", text=text)
    return stripped


@value
class FeatureSet:
    """Features that are wanted, unwanted or supported (RFC 3841 §10, RFC 6809 §6.2): parameters of an asterisk.

    `target` is what stands in the asterisk's place.
    """

    params: Params = NO_PARAMS
    target: str = "*"

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "FeatureSet":
        """Read one value of Accept-Contact, Reject-Contact or Feature-Caps; raises ParseError."""
        target, params = cut(text, notes)
        if target != "*":
            if not target.isprintable():
                raise ParseError("no asterisk", section="RFC 3841 §10", text=text)
            tolerate(notes, Deviation.FEATURES_WITHOUT_STAR, text)
        check(params, _WEIGHT, notes)
        return cls(params, target)

    @property
    def is_required(self) -> bool:
        """Whether contacts that do not have the features are left out (RFC 3841 §9.2)."""
        return "require" in self.params

    @property
    def is_explicit(self) -> bool:
        """Whether contacts that say nothing of the features are left out (RFC 3841 §9.2)."""
        return "explicit" in self.params

    def __str__(self) -> str:
        return f"{self.target}{self.params}"


@value
class ResourcePriority:
    """How urgent a call is in the order of one network (RFC 4412 §3.1), as in `dsn.flash`."""

    namespace: str
    priority: str

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "ResourcePriority":
        """Read one value of Resource-Priority or Accept-Resource-Priority; raises ParseError."""
        match = _PRIORITY.fullmatch(text.strip(" \t"))
        if not match:
            raise ParseError("not namespace.priority", section="RFC 4412 §3.1", text=text)
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.namespace}.{self.priority}"
