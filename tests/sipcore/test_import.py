"""Importing the engine changes nothing in the program that does it: no thread, no signal, no logging."""

import subprocess
import sys

PROGRAM = """
import logging, signal, sys, threading, warnings
before = {number: signal.getsignal(number) for number in signal.valid_signals()}
filters, hooks = list(warnings.filters), (sys.excepthook, sys.unraisablehook, threading.excepthook)
import sipcore.endpoint.endpoint, sipcore.endpoint.registration, sipcore.endpoint.media.media
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
assert not logging.getLogger().handlers and logging.getLogger().level == logging.WARNING
assert not [name for name in logging.root.manager.loggerDict if name.startswith("sipcore")]
assert hooks == (sys.excepthook, sys.unraisablehook, threading.excepthook)
print(*sorted(name for name in ("OpenSSL", "cryptography", "dns", "wsproto", "pylibsrtp") if name in sys.modules))
"""


def test_importing_the_engine_does_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "", "what is not needed by everybody is loaded when it is needed"


APART = (
    *("sipcore.sdp.description", "sipcore.sdp.modify", "sipcore.auth.session", "sipcore.registration.keeper"),
    *("sipcore.media.stun", "sipcore.transports.tls_failure", "sipcore.transports.ws_failure", "datetime"),
)
"""What a program loads with the first session that it changes, its first credentials, registration, keep-alive, TLS
connection or Date."""


def test_an_endpoint_loads_what_every_request_needs() -> None:
    code = f"import sys, sipcore.endpoint.endpoint; print(*sorted(set({APART}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
