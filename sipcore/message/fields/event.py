"""Events: what is subscribed to, how the subscription stands (RFC 6665), whether REFER makes one (RFC 4488)."""

from sipcore.deviation import Notes
from sipcore.errors import ParseError
from sipcore.message.fields.parameterized import SECONDS, Kind, check, cut, cut_token, number_of
from sipcore.message.fields.simple import parse_event_type
from sipcore.message.params import NO_PARAMS, Params
from sipcore.value import value

_TIMES: dict[str, Kind] = {"expires": SECONDS, "retry-after": SECONDS}


@value
class Event:
    """An event package, with its templates as in `presence.winfo`, and its parameters (RFC 6665 §8.2.1)."""

    type: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Event":
        """Read an Event; raises ParseError."""
        name, params = cut(text, notes)
        return cls(parse_event_type(name), params)

    @property
    def package(self) -> str:
        """The package without its templates."""
        return self.type.partition(".")[0]

    @property
    def id(self) -> str | None:
        """Which of several subscriptions in one dialog it is; deprecated, but compared (RFC 6665 §8.2.1)."""
        return self.params.get("id")

    def matches(self, other: "Event") -> bool:
        """Whether a NOTIFY with the one belongs to a SUBSCRIBE with the other: type and id byte by byte (§8.2.1)."""
        return self.type == other.type and self.id == other.id

    def __str__(self) -> str:
        return f"{self.type}{self.params}"


@value
class SubscriptionState:
    """How a subscription stands (RFC 6665 §4.1.3): `state` is active, pending, terminated, or an extension."""

    state: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "SubscriptionState":
        """Read a Subscription-State; raises ParseError."""
        state, params = cut_token(text, notes, "the state", "RFC 6665 §8.4")
        check(params, _TIMES, notes)
        return cls(state, params)

    @property
    def is_terminated(self) -> bool:
        """Whether no more notifications will come."""
        return self.state.lower() == "terminated"

    @property
    def reason(self) -> str | None:
        """Why it was terminated (RFC 6665 §4.1.3)."""
        return self.params.get("reason")

    @property
    def expires(self) -> int | None:
        """Seconds that are left."""
        return number_of(self.params, "expires")

    @property
    def retry_after(self) -> int | None:
        """Seconds to wait before subscribing again."""
        return number_of(self.params, "retry-after")

    def __str__(self) -> str:
        return f"{self.state}{self.params}"


@value
class ReferSub:
    """Whether a REFER makes a subscription (RFC 4488 §4)."""

    wanted: bool
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "ReferSub":
        """Read a Refer-Sub; raises ParseError."""
        word, params = cut_token(text, notes, "the value", "RFC 4488 §4")
        if word.lower() not in ("true", "false"):
            raise ParseError("neither true nor false", section="RFC 4488 §4", text=text)
        return cls(word.lower() == "true", params)

    def __str__(self) -> str:
        return f"{'true' if self.wanted else 'false'}{self.params}"
