"""The lab's Asterisk as one that calls: told by its command line, which the tests run beside it."""

import trio

from tests.interop.lab import POLL_SECONDS, Lab
from tests.interop.programs import output_of
from tests.interop.servers import ASTERISK_SUITE, told_to

DIALS, BRIDGE = 6, 12
"""Where a channel that is shown concisely tells what its application was given, and what it is joined by."""
HEARD = 3
"""Where the statistics of a channel without a bridge tell how many packets have come."""


async def dial(lab: Lab, uri: str, *, kind: str = "plain", extension: str = "echo") -> None:
    """Have Asterisk call `uri` in one of the ways of its pjsip.conf; who answers gets to `extension`."""
    await command(lab, f"channel originate PJSIP/{kind}/{uri} extension {extension}@public")


async def joined(lab: Lab, port: int, *, suite: str = ASTERISK_SUITE, name: str = "asterisk") -> None:
    """Wait until Asterisk has joined its caller with who has answered at this port, which it does a little later."""
    channels = told_to(suite, lab.folder / name, "core show channels concise")
    while not _is_joined(await run(channels), port):  # noqa: ASYNC110  # it does not tell
        await trio.sleep(POLL_SECONDS)


def _is_joined(channels: str, port: int) -> bool:
    fields = [line.split("!") for line in channels.splitlines()]
    return any(f":{port}" in channel[DIALS] and channel[BRIDGE] for channel in fields if len(channel) > BRIDGE)


async def hears(lab: Lab, kind: str) -> str:
    """Wait until Asterisk has heard something on a channel that it has opened in one of its ways; the channel's name.

    It counts only what it could decrypt.
    """
    while True:
        rows = [line.split() for line in (await command(lab, "pjsip show channelstats")).splitlines()]
        for row in rows:
            if len(row) > HEARD and row[0].startswith(f"{kind}-") and row[HEARD].isdecimal() and int(row[HEARD]):
                return f"PJSIP/{row[0]}"
        await trio.sleep(POLL_SECONDS)


async def hang_up(lab: Lab, channel: str) -> None:
    """Have Asterisk end a call."""
    await command(lab, f"channel request hangup {channel}")


async def command(lab: Lab, line: str) -> str:
    """What Asterisk says to a command."""
    return await run(told_to(ASTERISK_SUITE, lab.folder / "asterisk", line))


async def run(command: list[str]) -> str:
    """What a command prints."""
    code, output = await output_of(command)
    assert code == 0, output
    return output
