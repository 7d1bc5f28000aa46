"""The user agents' part of the flows of RFC 5359, each a function that lets it happen on a network of its own.

They are in `tests.flows.services` (between user agents) and `tests.flows.routing` (a proxy decides). None is left out.
`python -m tests.flows.rfc5359` writes the ladders anew; read what changed before you keep it. What differs on purpose:

| flow | here | why |
| --- | --- | --- |
| all | sip over UDP, addresses in Contact | no flow depends on the RFC's sips over TLS and its GRUUs |
| all | the call ends, even where the RFC stops before | to tell whether anything is left over |
| 2.1 to 2.3 | Contact without +sip.rendering | a stack's Contact has no feature parameters (RFC 3840) |
| 2.3, 2.15 | Contact of the servers without automaton and +sip.byeless | as before |
| 2.10, 2.11 | Contact without isfocus, and not the mixer's | as before; the re-INVITE is sent all the same |
| 2.13 | no Route in what repeats the call | it goes to the proxy that the 305 names anyway (RFC 3261 §21.3.4) |
| 2.13 | the announcement is called with another Call-ID | it is another call |
| 2.16 | the CANCEL follows Bill's ACK | a replaced call ends once the new one is up; RFC 3891 §3 allows it |
"""

from tests.flows import routing, services
from tests.flows.golden import Flow, write

FLOWS: dict[str, Flow] = {
    "rfc5359-2.1": services.call_hold,
    "rfc5359-2.2": services.consultation_hold,
    "rfc5359-2.3": services.music_on_hold,
    "rfc5359-2.4": services.unattended_transfer,
    "rfc5359-2.5": services.attended_transfer,
    "rfc5359-2.6": services.instant_messaging_transfer,
    "rfc5359-2.7": routing.forwarding_unconditional,
    "rfc5359-2.8": routing.forwarding_busy,
    "rfc5359-2.9": routing.forwarding_no_answer,
    "rfc5359-2.10": services.third_party_added,
    "rfc5359-2.11": services.third_party_joins,
    "rfc5359-2.12": routing.find_me,
    "rfc5359-2.13": routing.incoming_screening,
    "rfc5359-2.14": routing.outgoing_screening,
    "rfc5359-2.15": services.call_park,
    "rfc5359-2.16": services.call_pickup,
    "rfc5359-2.17": services.automatic_redial,
    "rfc5359-2.18": services.click_to_dial,
}

if __name__ == "__main__":
    write(FLOWS)
