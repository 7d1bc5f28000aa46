"""What a run found, as a table for people and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.harness.goals import GOALS, LIMITS, Goal, Limit
from benchmarks.harness.measure import Benchmark, Contender, Excluded, Sampled, Spread

Entry: TypeAlias = "dict[str, object]"


@dataclass(frozen=True, slots=True)
class Result:
    """A benchmark with the spreads of those that were timed, by name."""

    benchmark: Benchmark
    spreads: dict[str, Spread]

    def ratio(self, peer: str) -> float | None:
        """The peer's time divided by the subject's: above 1 the subject is faster. None where one was not timed."""
        subject, other = self.spreads.get(self.benchmark.subject.name), self.spreads.get(peer)
        return other.ratio_to(subject) if subject and other else None

    def judged(self, goals: Sequence[Goal] = GOALS) -> Iterator[tuple[Goal, float]]:
        """The goals of this benchmark whose peer was timed, with the ratio that was measured."""
        for goal in goals:
            ratio = self.ratio(goal.peer)
            if goal.name == self.benchmark.name and ratio is not None:
                yield goal, ratio

    def limited(self, limits: Sequence[Limit] = LIMITS) -> Iterator[tuple[Limit, float]]:
        """The limits of this benchmark, with the figure that was measured."""
        spread = self.spreads.get(self.benchmark.subject.name)
        for limit in limits:
            if limit.name == self.benchmark.name and spread is not None:
                yield limit, spread.median

    def entry(self) -> Entry:
        """The result as it stands in the JSON file; figures of what was not timed are null, beside the reason."""
        subject = self.benchmark.subject
        return {
            "unit": self.benchmark.unit,
            **self._figures(subject, "median", "p10", "p90"),
            "peers": {
                peer.name: {**self._figures(peer, "median"), "ratio": _rounded(self.ratio(peer.name)), **_reason(peer)}
                for peer in self.benchmark.peers
            },
            **_reason(subject),
        }

    def _figures(self, contender: Contender | Sampled | Excluded, *names: str) -> Entry:
        spread = self.spreads.get(contender.name)
        return {name: _rounded(getattr(spread, name, None)) for name in names}

    def lines(self, goals: Sequence[Goal] = GOALS) -> Iterator[str]:
        """The result as lines of a table: the subject first, then its peers."""
        judged = {goal.peer: goal for goal, _ in self.judged(goals)}
        limits = list(self.limited())
        yield f"{self.benchmark.name:<24}{self.benchmark.unit:>9}{'p10':>9}{'p90':>9}{'ratio':>9}  goal"
        for each in (self.benchmark.subject, *self.benchmark.peers):
            if isinstance(each, Excluded):
                yield f"  {each.name:<22}{'-':>9}  {each.reason}"
                continue
            spread, ratio = self.spreads[each.name], self.ratio(each.name)
            remark = each.remark if isinstance(each.remark, str) else each.remark()
            figures = f"  {each.name:<22}{spread.median:9.2f}{spread.p10:9.2f}{spread.p90:9.2f}"
            if each is self.benchmark.subject or ratio is None:
                told = [
                    f"at most {limit.most:.4g} {'met' if found <= limit.most else 'MISSED'}" for limit, found in limits
                ]
                room = [f"{limit.most / found:9.2f}" for limit, found in limits if found]
                yield f"{figures}{room[0] if room else '':>9}  {' '.join(told):<12}  {remark}".rstrip()
            else:
                yield f"{figures}{ratio:9.2f}  {_verdict(judged.get(each.name), ratio):<12}  {remark}".rstrip()


def _verdict(goal: Goal | None, ratio: float) -> str:
    if goal is None:
        return ""
    return f"{goal.ratio:g} {'met' if goal.is_met(ratio) else 'MISSED'}"


def _reason(contender: Contender | Sampled | Excluded) -> Entry:
    return {"excluded": contender.reason} if isinstance(contender, Excluded) else {}


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 3)


def write(results: Sequence[Result], path: Path, *, keep: bool) -> None:
    """Write `results` to the JSON file at `path`; with `keep`, entries of other benchmarks in it stay."""
    entries: dict[str, Entry] = json.loads(path.read_text()) if keep and path.exists() else {}
    entries |= {result.benchmark.name: result.entry() for result in results}
    path.write_text(json.dumps(entries, indent=2) + "\n")


def summary(results: Sequence[Result], goals: Sequence[Goal] = GOALS) -> tuple[list[str], bool]:
    """Lines that count the goals of the run and name the missed ones, and whether all were met."""
    judged = [pair for result in results for pair in result.judged(goals)]
    missed = [(goal, ratio) for goal, ratio in judged if not goal.is_met(ratio)]
    limited = [pair for result in results for pair in result.limited()]
    over = [(limit, figure) for limit, figure in limited if figure > limit.most]
    count = len(judged) + len(limited)
    lines = [f"{count - len(missed) - len(over)} of {count} goals met"]
    lines += [f"missed: {goal.name} {ratio:.2f} x {goal.peer}, goal {goal.ratio:g}" for goal, ratio in missed]
    lines += [f"missed on this machine: {limit.name} {figure:.1f}, at most {limit.most:.4g}" for limit, figure in over]
    return lines, not missed
