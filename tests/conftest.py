"""What all tests share: how Hypothesis runs.

Examples are drawn afresh each time; a failure prints the blob that reproduces it. Nothing depends on how fast the
machine is, because one that is busy with something else is no bug.
"""

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "local", derandomize=False, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("local"), max_examples=300)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# A run in the background of a shell ignores SIGINT, and so would the programs that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
