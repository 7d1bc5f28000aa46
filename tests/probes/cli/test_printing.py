"""Results on standard output: as JSON, or in words."""

import json
from collections.abc import Iterator

import pytest

from probes.cli.common import make_console
from probes.cli.printing import json_text, print_data, print_event, show


@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_unicode_wherever_bytes_stand(indent: int | None) -> None:
    text = json_text({"caf\udce9": ["\udcff", "\ud800", "é", r"\udce9"]}, indent=indent)
    text.encode()
    assert json.loads(text) == {r"caf\xe9": [r"\xff", r"\ud800", "é", r"\udce9"]}


def test_a_document_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_data({"a": [1]})
    print_event({"a": [1]})
    assert capsys.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n{"a": [1]}\n'


@pytest.mark.parametrize("failure", ["", "it is over"])
@pytest.mark.parametrize("as_json", [False, True])
def test_show(capsys: pytest.CaptureFixture[str], failure: str, *, as_json: bool) -> None:
    def lines(result: int, width: int) -> Iterator[str]:
        yield f"{result} in {width}"

    show(
        7,
        None if as_json else make_console(),
        data=lambda result: [result],
        lines=lines,
        failure_line=lambda _: failure,
    )
    shown, told = capsys.readouterr()
    assert shown == ("[\n  7\n]\n" if as_json else "7 in 80\n")
    assert told == (f"sipprobe: {failure}\n" if failure else "")
