"""The facts of a test call out of its stored result, the JSON of `sipprobe call --json`, of this version or another."""

from probes.calls.judge.facts import CallFacts, facts_of
from probes.capture.fields import Data
from probes.capture.stored import kind_of, result_of


def facts_of_data(data: Data) -> CallFacts:
    """The facts of one of the `results_in` a file, as those of a test call; what it does not say is not known."""
    facts = facts_of(result_of(data))
    facts.kind = kind_of(data)
    return facts
