"""What the ending of a test call, or of a test of a registration, means to a script."""

from typing import TYPE_CHECKING

from probes.cli.exit_codes import ExitCode
from probes.result import CallKind, CallResult

if TYPE_CHECKING:
    from probes.registration.judge import RegistrationReport

EXIT_CODES = {
    CallKind.CONNECTED: ExitCode.OK,
    CallKind.REJECTED: ExitCode.FAILED,
    CallKind.BUSY: ExitCode.BUSY,
    CallKind.NOT_ANSWERED: ExitCode.NOT_ANSWERED,
    CallKind.AUTHENTICATION: ExitCode.AUTHENTICATION,
    CallKind.UNRESOLVABLE: ExitCode.UNRESOLVABLE,
    CallKind.REFUSED: ExitCode.REFUSED,
    CallKind.UNREACHABLE: ExitCode.UNREACHABLE,
    CallKind.NO_ANSWER: ExitCode.NO_ANSWER,
    CallKind.TLS_FAILED: ExitCode.TLS_FAILED,
    CallKind.CERTIFICATE_WANTED: ExitCode.TLS_FAILED,
    CallKind.NOT_SIP: ExitCode.NOT_SIP,
    CallKind.NO_MEDIA: ExitCode.NO_MEDIA,
    CallKind.NOT_ALLOWED: ExitCode.UNREACHABLE,
    CallKind.OWN_FAULT: ExitCode.OWN_FAULT,
    CallKind.NO_CALL: ExitCode.NO_ANSWER,
    CallKind.INTERRUPTED: ExitCode.INTERRUPTED,
}


def exit_code(result: CallResult) -> ExitCode:
    """What a test call means to a script: with an expectation, whether it was met."""
    if result.unmet is not None:
        return ExitCode.UNEXPECTED if result.unmet else ExitCode.OK
    return EXIT_CODES[result.kind]


def registration_exit_code(report: "RegistrationReport") -> ExitCode:
    """What a test of a registration means to a script."""
    from probes.registration.judge import RegistrationKind

    if report.works:
        return ExitCode.OK
    return ExitCode.FAILED if report.kind is RegistrationKind.NOBODY else EXIT_CODES[CallKind(report.kind.value)]
