"""A stream that comes and goes: whatever either side offers of it in whatever order, both have the same session."""

from hypothesis import given
from hypothesis import strategies as st

from sipcore.sdp.attributes import G722, PCMA, PCMU
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import Direction
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import Side, Wire, description

GIVE_UP, TAKE_BACK, ASK, HOLD, RESUME, AGAIN = "give up", "take back", "ask for an offer", "hold", "resume", "as it is"
KEEP = ("", "session timer")
steps = st.lists(
    st.tuples(st.sampled_from(["alice", "bob"]), st.sampled_from([GIVE_UP, TAKE_BACK, ASK, HOLD, RESUME, AGAIN]))
    | st.just(KEEP),
    max_size=12,
)


def without_update(data: bytes) -> bytes:
    """A message of someone who does not tell of UPDATE, so that re-INVITEs refresh the session."""
    return b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(b"Allow:"))


def do(wire: Wire, side: Side, call: int, what: str) -> None:
    stack = side.stack
    session = stack.session(call)
    match what:
        case "give up" | "take back":
            wanted = SessionDescription.parse(description(side.address))
            port = 0 if what == GIVE_UP else 40010
            body = session.next_offer(wanted.with_media(0, wanted.media[0].replace(port=port)))
        case "ask for an offer":
            body = b""
        case "hold":
            body = session.renewed(Direction.SENDONLY)
        case "resume":
            body = session.renewed(Direction.SENDRECV)
        case _:
            body = session.renewed()
    stack.change(call, body, wire.now)
    wire.run(1)


def versions(side: Side) -> list[int]:
    """Those of the session descriptions that a side has sent, each description once."""
    bodies = dict.fromkeys(message.body for message in side.messages() if message.body)
    return [SessionDescription.parse(body).origin.session_version for body in bodies]


@given(steps, st.booleans(), st.booleans())
def test_both_sides_agree_on_a_stream_that_comes_and_goes(
    happenings: list[tuple[str, str]], timed: bool, knows_update: bool
) -> None:
    config = StackConfig(
        codecs=(PCMA, PCMU, G722), extensions=("timer",) if timed else (), session_interval=90 if timed else 0
    )
    wire = Wire(config=config) if knows_update else Wire(config=config, alter=without_update)
    call, at_bob = wire.up()
    for who, what in happenings:
        if what == KEEP[1]:
            wire.run(50)
        else:
            side, number = (wire.alice, call) if who == "alice" else (wire.bob, at_bob)
            do(wire, side, number, what)
        here, there = wire.alice.stack.session(call), wire.bob.stack.session(at_bob)
        assert (here.local, here.remote) == (there.remote, there.local)
        for side in (wire.alice, wire.bob):
            assert versions(side) == list(range(1, len(versions(side)) + 1)), "RFC 3264 §8"
    for who, side in (("alice", wire.alice), ("bob", wire.bob)):
        gave_up = (who, GIVE_UP) in happenings
        assert gave_up or "488 INVITE" not in side.starts(), "what the peer has given up it gets back"
