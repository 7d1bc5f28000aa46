"""Whose answer it is: found by what stands in the answer, so that nothing has to be kept for each request.

Branch, tag and Call-ID of a request are one keyed digest of its number and its place. The number stands in the branch,
so an answer tells which request it belongs to, and the digest that nobody made it up. What does not tell is looked up
by the address that it came from.
"""

import hashlib

from probes.sweep.answers import Answer, Reader
from probes.sweep.order import Shuffle
from probes.sweep.ranges import Targets
from sipcore.message.build import Target
from sipcore.resolve.target import DEFAULT_PORT, SocketAddress
from sipcore.tokens import MAGIC_COOKIE
from sipcore.value import value

KEY_SIZE = 16
_DIGEST, _BRANCH, _TAG = 28, 20, 36
"""Bytes of a digest, and where in its 56 hexadecimal digits the parts end: 80 bits for the branch, 64 for the tag,
80 for the Call-ID (RFC 3261 §8.1.1.7, §19.3: a tag has at least 32)."""
_MAX_NUMBER = 16
"""Digits of a place's number in a branch, which has no more than 64 bits."""

NOT_FITTING = "its Via is not that of the request"


@value
class Match:
    """Something that came back, and the place that was asked for it.

    `answer` is None for what is no SIP response: `detail` says what it is. `elsewhere` is where it came from when
    that is not the place that was asked.
    """

    index: int
    remote: SocketAddress
    answer: Answer | None
    detail: str = ""
    elsewhere: SocketAddress | None = None


class Matcher:
    """Makes what tells the requests of one sweep apart, and finds the place that an answer belongs to.

    `key` has KEY_SIZE random bytes: whoever does not know it cannot answer for a place that was not asked.
    """

    def __init__(self, targets: Targets, shuffle: Shuffle, key: bytes) -> None:
        self._targets = targets
        self._shuffle = shuffle
        self._keyed = hashlib.blake2b(digest_size=_DIGEST, key=key)
        self._reader = Reader()

    def place(self, index: int) -> SocketAddress:
        """Where request number `index` goes."""
        return self._targets.at(self._shuffle.offset_at(index))

    def index_of(self, remote: SocketAddress) -> int | None:
        """The number of the request that goes to a place; None where none does."""
        offset = self._targets.offset_of(remote)
        return None if offset is None else self._shuffle.index_of(offset)

    def target(self, index: int, remote: SocketAddress) -> Target:
        """What is different about request number `index`, which goes to `remote`: the same each time it is sent."""
        digest = self._digest(index, remote)
        # The port is left out where it is the usual one, as discovery does.
        host = f"[{remote.host}]" if remote.is_ipv6 else remote.host
        uri = f"sip:{host}" if remote.port == DEFAULT_PORT else f"sip:{host}:{remote.port}"
        return Target(
            uri,
            f"<{uri}>",
            f"{MAGIC_COOKIE}{index:x}.{digest[:_BRANCH]}",
            digest[_BRANCH:_TAG],
            digest[_TAG:],
        )

    def match_untrusted(self, data: bytes, remote: SocketAddress) -> Match | None:
        """What came from `remote` and to which request; None for what has to do with none of them."""
        answer, detail = self._reader.read_untrusted(data)
        if answer is not None:
            found = self._by_branch(answer, detail, remote)
            if found is not None:
                return found
            detail = NOT_FITTING
        index = self.index_of(remote)
        return None if index is None else Match(index, remote, answer, detail)

    def _by_branch(self, answer: Answer, branch: str, remote: SocketAddress) -> Match | None:
        number, dot, digest = branch.partition(".")
        if not dot or len(number) > _MAX_NUMBER or not number.isalnum():
            return None
        try:
            index = int(number, 16)
        except ValueError:
            return None
        if digest == self._digest(index, remote)[:_BRANCH]:
            return Match(index, remote, answer)
        if index >= self._targets.count:
            return None
        asked = self.place(index)
        if digest == self._digest(index, asked)[:_BRANCH]:
            return Match(index, asked, answer, elsewhere=remote)
        return None

    def _digest(self, index: int, remote: SocketAddress) -> str:
        digest = self._keyed.copy()
        digest.update(f"{index:x} {remote.host} {remote.port}".encode())
        return digest.hexdigest()
