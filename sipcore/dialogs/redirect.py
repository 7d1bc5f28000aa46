"""Where a call goes on that was redirected: RFC 3261 §8.1.3.4."""

from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.fields.contact import contact_q
from sipcore.message.message import Response
from sipcore.message.registry import CONTACT
from sipcore.message.uri import Place, SipUri, Uri
from sipcore.value import value

USE_PROXY = 305


@value
class Onward:
    """Where a call goes on: to another place, or to the same one by way of a proxy (RFC 3261 §21.3.4)."""

    uri: SipUri
    is_proxy: bool = False


class Redirects:
    """The target set: places in the order in which they are tried, each once, and no more than a limit in all."""

    __slots__ = ("_known", "_left", "_secure", "_targets")

    def __init__(self, first: Uri, limit: int) -> None:
        """Take where the call goes first, and how many other places it may be sent to after that."""
        self._known = [first]
        self._secure = isinstance(first, SipUri) and first.is_secure
        self._left = limit
        self._targets: list[Onward] = []

    def take(self, redirection: Response) -> None:
        """Add what a 3xx names, best first. What a call cannot be sent to is left out, and so is what was tried.

        A sips URI is not given up for a sip one: the caller has asked for a secure way (§8.1.3.4, §26.2.2).
        """
        try:
            contacts = [item for item in redirection[CONTACT] if isinstance(item, Address)]
        except ParseError:
            return
        for contact in sorted(contacts, key=contact_q, reverse=True):
            uri = contact.uri
            if isinstance(uri, SipUri) and uri not in self._known and (uri.is_secure or not self._secure):
                self._known.append(uri)
                self._targets.append(Onward(uri.fitted_to(Place.REQUEST_URI), redirection.status == USE_PROXY))

    def next(self) -> Onward | None:
        """The next place to try, None where none is left or the limit is reached."""
        if not self._targets or self._left <= 0:
            return None
        self._left -= 1
        return self._targets.pop(0)
