"""What documents of interfaces tell to type is answered as they say."""

import re
import shlex
from pathlib import Path

import httpx

from tests.probes.web.asking import asking

DOCS = Path(__file__).parents[2] / "docs"
HOST = "http://127.0.0.1:8080"
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
STATUSES = {"api-bland.md": [200, 200, 200], "api-watsonx.md": [201, 200], "api-diga.md": [201, 200]}
"""What the requests of each document are answered by."""


def requests_in(name: str) -> list[list[str]]:
    """The words of each curl in a document."""
    (block,) = CONSOLE.findall((DOCS / name).read_text())
    commands = block.replace("\\\n", " ").removeprefix("$ ").split("\n$ ")
    return [shlex.split(each) for each in commands if each.startswith("curl ")]


def request_of(words: list[str], key: str) -> httpx.Request:
    """What a curl with these words sends."""
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
    return httpx.Request(method, url.replace(HOST, "http://service"), content=content, headers=headers)


async def test_what_is_to_be_typed_is_answered(tmp_path: Path) -> None:
    """By one service, whichever documents somebody has followed before."""
    async with asking(tmp_path) as asked:
        key = (await asked.service.keys.add("acme", "first")).text.reveal()
        client = await asked.stranger()
        for name, statuses in STATUSES.items():
            told = []
            for words in requests_in(name):
                answer = await client.send(request_of(words, key))
                told.append(answer.status_code)
                assert not re.search(r'"errors": ?\[', answer.text), answer.text
            assert told == statuses, name
