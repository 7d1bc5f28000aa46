"""`python -m benchmarks [NAME ...]`: run the benchmarks, or those whose dotted names begin with NAME.

Every module beside this one is a question; its file name is how the names of its benchmarks begin (`parse_route.py`:
`parse.route.…`), and its `benchmarks()` yields them. What this machine cannot measure, for want of a C compiler, is
listed with the reason. Ends with 0, with 1 when our own code is wrong (or, with `--strict`, when a goal was missed),
and with 2 when there is no such NAME.
"""

import argparse
import importlib
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.measure import Benchmark, Excluded, measure
from benchmarks.harness.report import Result, summary, write

FOLDER = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write results.json; returns the exit code."""
    options = parse_arguments(arguments)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    print("CPU time for one input, median of all turns; ratio: the peer's time, or the most allowed, divided by ours\n")
    results = []
    for benchmark in select(options.names):
        result = Result(benchmark, measure(benchmark))
        print("\n".join(result.lines()), end="\n\n", flush=True)
        results.append(result)
    if not results:
        print(f"no benchmark begins with {' or '.join(options.names)}", file=sys.stderr)
        return 2
    write(results, options.results, keep=bool(options.names))
    lines, met = summary(results)
    print("\n".join(lines))
    subjects = [result.benchmark.subject for result in results]
    wrong = any(isinstance(subject, Excluded) and not subject.lacking for subject in subjects)
    return 1 if wrong or (options.strict and not met) else 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed against peers in one run.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="run what begins with it: parse, parse.route.invite")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a goal was missed")
    parser.add_argument("--results", type=Path, default=FOLDER / "results.json", help="where to write the figures")
    return parser.parse_args(arguments)


def questions() -> list[str]:
    """The names of the modules that ask, which is every one beside this."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def select(names: Sequence[str]) -> Iterator[Benchmark]:
    """The benchmarks that begin with one of `names`, or all; only the modules that can have them are loaded."""
    for question in questions():
        prefix = question.replace("_", ".")
        if names and not any(begins(prefix, name) or begins(name, prefix) for name in names):
            continue
        for benchmark in importlib.import_module(f"benchmarks.{question}").benchmarks():
            if not names or any(begins(benchmark.name, name) for name in names):
                yield benchmark


def begins(name: str, prefix: str) -> bool:
    """Whether the dotted `name` is `prefix` or stands below it."""
    return name == prefix or name.startswith(f"{prefix}.")


if __name__ == "__main__":
    sys.exit(main())
