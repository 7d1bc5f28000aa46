"""The command line's exit codes, for scripts. Each error the prober tells apart has its own; they never change."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process ends with."""

    OK = 0
    """It works: the endpoint answers, the call was connected."""
    FAILED = 1
    """The endpoint answers, but refuses: a call was rejected with some other status."""
    USAGE = 2
    """The command line, or a file that it names, cannot be used."""
    UNRESOLVABLE = 3
    """The name leads to no address."""
    REFUSED = 4
    """Nothing listens there: TCP reset or ICMP port unreachable."""
    UNREACHABLE = 5
    """No way there: no route, or a filter said so."""
    NO_ANSWER = 6
    """Silence: nothing came back before the deadline."""
    TLS_FAILED = 7
    """TCP connects, TLS does not succeed."""
    NOT_SIP = 8
    """Something answers that is not SIP."""
    AUTHENTICATION = 9
    """Credentials are missing, wrong, or of a kind that is not supported."""
    BUSY = 10
    """The called party is busy (486, 600)."""
    NOT_ANSWERED = 11
    """The call rang, and nobody answered in time (408, 480, 487 after a CANCEL of ours)."""
    UNEXPECTED = 12
    """The call did not end as `--expect` says."""
    NO_MEDIA = 13
    """The call was connected, and no media came from the peer."""
    OWN_FAULT = 14
    """This program made a mistake of its own, which says nothing about the endpoint."""
    INTERRUPTED = 130
    """Stopped from the keyboard."""
