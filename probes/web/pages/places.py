"""Where something is odd about a trunk, in the words of its form."""

OUT, IN, ALERTS = "Calls that go out", "Calls that come in", "Alerts"
"""Parts of the form."""
_PARTS = {"outbound": OUT, "inbound": IN}
LABELS = {
    "name": "Name",
    "description": "Description",
    "provider": "Provider",
    "gateways": "Gateway",
    "username": "Username",
    "password": "Password",
    "realm": "Realm",
    "encryption": "Media encryption (SRTP)",
    "codecs": "Codecs",
    "failover": "Failover",
    "authentication": "Known by",
    "allowed_addresses": "Allowed addresses",
    "forward_to": "Forwarded to",
    "unreachable_minutes": "Minutes down",
    "failure_rate_percent": "Failures, per cent",
    "failure_rate_window_minutes": "… in minutes",
    "response_time_ms": "Round trip, ms",
    "webhook": "Webhook",
}
"""What the fields of the form are called, by the model's names."""
_BY_API = "Header fields, which the API sets"


def place_told(field: str) -> str:
    """A place such as `outbound.gateways.0.host`, as people find it in the form; empty for the whole."""
    if not field:
        return ""
    path = field.split(".")
    part = _PARTS.get(path[0], "")
    if "alerts" in path:
        part = ALERTS if part == OUT else f"{ALERTS} of {part.lower()}"
    if "gateways" in path:
        number = next((f" {int(step) + 1}" for step in path if step.isdecimal()), "")
        label = f"{LABELS['gateways']}{number}"
    elif "headers" in path:
        label = _BY_API
    else:
        label = next((LABELS[name] for name in reversed(path) if name in LABELS), "")
    return ": ".join(filter(None, (part, label))) or field
