"""What documents of interfaces tell to type is answered as they say."""

import re
import shlex
from pathlib import Path

import pytest

from tests.probes.web.asking import asking

DOCS = Path(__file__).parents[2] / "docs"
HOST = "http://127.0.0.1:8080"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def requests_in(name: str) -> list[list[str]]:
    """The words of each curl in a document."""
    (block,) = CONSOLE.findall((DOCS / name).read_text())
    commands = block.replace("\\\n", " ").removeprefix("$ ").split("\n$ ")
    return [shlex.split(each) for each in commands if each.startswith("curl ")]


@pytest.mark.parametrize(
    ("name", "statuses"),
    [("api-bland.md", [200, 200, 200]), ("api-watsonx.md", [201, 200]), ("api-diga.md", [201, 200])],
)
async def test_what_is_to_be_typed_is_answered(name: str, statuses: list[int], tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        key = (await asked.service.keys.add("acme", "first")).text.reveal()
        client = await asked.stranger()
        told = []
        for words in requests_in(name):
            headers: dict[str, str] = {}
            content, url = "", ""
            left = iter(words[1:])
            for word in left:
                if word == "-H":
                    field, _, text = next(left).partition(": ")
                    headers[field] = text.replace("$KEY", key)
                elif word == "-d":
                    content = next(left)
                else:
                    url = word
            assert url.startswith(HOST)
            method = "POST" if content else "GET"
            answer = await client.request(method, url.replace(HOST, "http://service"), content=content, headers=headers)
            told.append(answer.status_code)
            assert not re.search(r'"errors": ?\[', answer.text), answer.text
        assert told == statuses
