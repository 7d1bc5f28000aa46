"""What does a TLS server accept and show? Found out by asking: each handshake answers one question.

A first handshake, as a usual client begins it, shows the certificate. Then each version is asked for by itself, again
and again, each time without the ciphers that were chosen before, until the server has no more to choose from; and the
first session is resumed. What the local library no longer has, such as SSL 3, RC4 or export ciphers, cannot be asked
for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from enum import Enum
from functools import partial
from typing import Any, Protocol

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_der_x509_certificate

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Hop
from sipcore.transports.base import TlsConfig, TlsVersion
from sipcore.transports.tls_failure import CertificateFault, TlsFailure, TlsProblem
from sipcore.value import value

MAX_CIPHERS = 80
"""Ciphers asked for of one version: a usual server accepts some 20, and one that takes all that OpenSSL has, 64."""
MAX_HANDSHAKES = MAX_CIPHERS * len(TlsVersion) + 4
"""Connections that one report makes: the ciphers of each version; to see the certificate, again with a small first
flight and again with one version; to resume a session."""
DEFAULT_TIMEOUT = 4.0
"""Seconds for one handshake: three SYNs are sent by then."""
DEFAULT_DEADLINE = 20.0
"""Seconds for all of them, of which no more than one of each version is under way at a time."""

SUITES = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)
"""All ciphers of TLS 1.3 (RFC 8446 appendix B.4)."""
_USUAL = "DEFAULT:@SECLEVEL=0"
_EVERY = ("ALL", "COMPLEMENTOFALL", "!PSK", "!SRP")
"""Cipher lists of OpenSSL. At level 0 it speaks with peers that it finds too weak otherwise, so that this can be told.
What needs a shared secret is left out."""
_GOING_ON = frozenset(TlsProblem) - {TlsProblem.NOT_TLS, TlsProblem.SILENT}
"""How a first handshake may fail so that there is more to learn."""


class Purpose(Enum):
    """What a handshake is to find out."""

    SHOW = "show the certificate"
    CIPHERS = "choose a cipher"
    RESUME = "resume the session"


@value
class Trial:
    """One handshake to make. `version` is the only one that it offers, None for all; `without` are the ciphers that it
    does not offer; `small` is whether its first flight is kept to what old peers can put together.
    """

    purpose: Purpose
    version: TlsVersion | None = None
    without: tuple[str, ...] = ()
    small: bool = False

    def __str__(self) -> str:
        version = f" by {self.version.value}" if self.version else ""
        without = f", {len(self.without)} left out" if self.without else ""
        return f"{self.purpose.value}{version}{without}{', small' if self.small else ''}"


@value
class Shown:
    """What a server showed in a handshake: the chain as it was sent, its own certificate first, the chain as it was
    verified, what is wrong with it, and whether a client certificate was asked for, by CAs of which names.

    `staple` is the OCSP response that came with it, empty for none.
    """

    chain: tuple[Certificate, ...] = ()
    verified: tuple[Certificate, ...] = ()
    faults: tuple[CertificateFault, ...] = ()
    certificate_requested: bool = False
    authorities: tuple[str, ...] = ()
    staple: bytes = b""

    def __reduce__(self) -> tuple[object, ...]:
        """How a report is handed to another process: certificates cannot be copied by themselves."""
        content = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("chain", "verified"):
            content[name] = [one.public_bytes(Encoding.DER) for one in content[name]]
        return _shown_again, (content,)


def _shown_again(content: dict[str, Any]) -> Shown:
    chains = {name: tuple(map(load_der_x509_certificate, content[name])) for name in ("chain", "verified")}
    return Shown(**(content | chains))


@value
class Handshake:
    """How a trial went. `cipher` is what the server chose, empty where it did not come to that.

    `version` and `group` go with it. `established` is whether the handshake was complete for this side, `failure` why
    it was not, or why the server broke it off thereafter. `resumable` is whether the server gave what it takes to
    resume the session. `took` is in seconds, from before the connection was opened.
    """

    trial: Trial
    took: float
    version: str = ""
    cipher: str = ""
    group: str = ""
    established: bool = False
    resumable: bool = False
    resumed: bool = False
    failure: TransportFailure | None = None
    shown: Shown = Shown()

    @property
    def problem(self) -> TlsProblem | None:
        """Why TLS failed, None if it did not, or nothing came to TLS."""
        return self.failure.tls if isinstance(self.failure, TlsFailure) else None

    @property
    def refused(self) -> bool:
        """Whether the server said that it does not want this handshake, or closed the connection; one that is silent,
        or stops in the middle, says neither.
        """
        spoken = self.problem in _GOING_ON or self.problem is TlsProblem.SILENT
        return not self.cipher and spoken and not self._timed_out

    @property
    def _timed_out(self) -> bool:
        return isinstance(self.failure, TlsFailure) and self.failure.detail.startswith(FailureReason.TIMED_OUT.value)


Plan = Callable[[Sequence[Handshake]], Sequence[Trial]]


@value
class TlsQuestion:
    """Whom to ask, how many seconds each handshake may take, and how many all of them."""

    hop: Hop
    timeout: float = DEFAULT_TIMEOUT
    deadline: float = DEFAULT_DEADLINE
    cipher_seconds: float = math.inf
    """Seconds in which the ciphers of a version are asked for, one after the other. It is asked for one at least, which
    tells whether it is accepted."""


class TlsIO(Protocol):
    """The network, as this check sees it."""

    async def carry_out(self, question: TlsQuestion, plan: Plan) -> tuple[Handshake, ...]:
        """Make each trial that `plan` names, given the handshakes so far, once; side by side, until it names no more
        or the deadline is there. Whatever happens is a value.
        """


SHOW = Trial(Purpose.SHOW)
SMALL = Trial(Purpose.SHOW, small=True)


def plan(seen: Sequence[Handshake], *, cipher_seconds: float = math.inf) -> tuple[Trial, ...]:
    """The handshakes worth making given those that were seen. More knowledge only ever adds to them, up to
    MAX_HANDSHAKES; a version whose handshakes took `cipher_seconds` together is asked for no more ciphers.
    """
    known = {handshake.trial: handshake for handshake in seen}
    first, trials = known.get(SHOW), [SHOW]
    if first is not None and first.problem is TlsProblem.SILENT:
        # A large first flight may be what an old peer cannot put together: one more, and small, tells.
        first = known.get(SMALL)
        trials.append(SMALL)
    if first is None or not (first.cipher or first.problem in _GOING_ON):
        return tuple(trials)
    small = first.trial.small
    lines = [_line(known, version, small=small, seconds=cipher_seconds) for version in reversed(TlsVersion)]
    trials += [trial for line in lines for trial in line]
    if not first.cipher:
        first = _alone(known, [line[0] for line in lines], trials)
    if first is not None and first.resumable and first.failure is None:
        trials.append(replace(first.trial, purpose=Purpose.RESUME))
    return tuple(trials)


async def act(io: TlsIO, question: TlsQuestion) -> tuple[Handshake, ...]:
    """Have them made, and see what happens."""
    return await io.carry_out(question, partial(plan, cipher_seconds=question.cipher_seconds))


def terms(trial: Trial, config: TlsConfig) -> TlsConfig:
    """The TLS configuration for a trial: what `config` trusts and shows, and what the trial offers."""
    return replace(
        config,
        verify=False,
        minimum_version=trial.version or TlsVersion.TLS_1_0,
        maximum_version=trial.version or TlsVersion.TLS_1_3,
        ciphers=_ciphers(trial),
        group="P-256" if trial.small else "",
        resume=True,
    )


def ciphers_of(seen: Mapping[Trial, Handshake], version: TlsVersion, *, small: bool) -> tuple[str, ...]:
    """The ciphers that a server chose by a version, in the order of its choice."""
    found = [seen[trial].cipher for trial in _line(seen, version, small=small) if trial in seen]
    return tuple(dict.fromkeys(cipher for cipher in found if cipher))


def _line(
    known: Mapping[Trial, Handshake], version: TlsVersion, *, small: bool, seconds: float = math.inf
) -> list[Trial]:
    """The handshakes that find out the ciphers of a version, as far as those seen allow to tell, and `seconds` do."""
    most = len(SUITES) if version is TlsVersion.TLS_1_3 else MAX_CIPHERS
    found: list[str] = []
    trials: list[Trial] = []
    spent = 0.0
    while len(found) < most and (not trials or spent < seconds):
        trial = Trial(Purpose.CIPHERS, version, tuple(found), small)
        trials.append(trial)
        handshake = known.get(trial)
        if handshake is None or not handshake.cipher or handshake.cipher in found:
            break
        found.append(handshake.cipher)
        spent += handshake.took
    return trials


def _alone(known: Mapping[Trial, Handshake], asked: Sequence[Trial], trials: list[Trial]) -> Handshake | None:
    """For a server that takes no offer of all versions: have it show its certificate by the best one that it takes."""
    if any(trial not in known for trial in asked):
        return None
    accepted = next((trial for trial in asked if known[trial].cipher), None)
    if accepted is None:
        return None
    trials.append(replace(accepted, purpose=Purpose.SHOW))
    return known.get(trials[-1])


def _ciphers(trial: Trial) -> str:
    if trial.purpose is not Purpose.CIPHERS:
        return _USUAL
    if trial.version is TlsVersion.TLS_1_3:
        return ":".join([*(suite for suite in SUITES if suite not in trial.without), _USUAL])
    return ":".join([*_EVERY, *(f"!{cipher}" for cipher in trial.without), "@SECLEVEL=0"])
