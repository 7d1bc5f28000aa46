"""A SIP message as data. Fields are only ever added; `message.schema.json` beside this file describes them."""

from collections.abc import Sequence

from probes.report.message_diff import Difference, Kind
from probes.report.message_view import BodyView, Fault, FieldView, MessageView
from probes.report.reading import Tree
from probes.report.sdp_words import description_data
from sipcore.errors import EXCERPT_CHARACTERS, encodable
from sipcore.message.headers import Noted


def message_data(view: MessageView) -> dict[str, Tree]:
    """The view of a message as what `json.dumps` takes."""
    return {
        "kind": view.kind or None,
        "size": view.size,
        "start_line": encodable(view.start_line),
        "start": view.start,
        "headers": [_field_data(field) for field in view.fields],
        "body": _body_data(view.body) if view.body else None,
        "deviations": [_noted_data(noted) for noted in view.noted],
        "errors": [_fault_data(fault) for fault in view.faults],
    }


def diff_data(left: MessageView, right: MessageView, found: Sequence[Difference]) -> dict[str, Tree]:
    """The differences between two messages, with what is wrong with each; `message_diff.schema.json` describes them."""
    return {
        "equal": not found,
        "differences": [_difference_data(difference) for difference in found],
        "left_errors": [_fault_data(fault) for fault in left.faults],
        "right_errors": [_fault_data(fault) for fault in right.faults],
    }


def _difference_data(difference: Difference) -> Tree:
    kind = difference.kind
    return {
        "kind": kind.name.lower(),
        "where": encodable(difference.where),
        "left": None if kind is Kind.ADDED else encodable(difference.left),
        "right": None if kind is Kind.REMOVED else encodable(difference.right),
        "details": [
            {"label": encodable(detail.label), "left": encodable(detail.left), "right": encodable(detail.right)}
            for detail in difference.details
        ],
    }


def _field_data(field: FieldView) -> Tree:
    return {
        "name": encodable(field.name),
        "header": field.header or None,
        "section": field.section or None,
        "value": encodable(field.text),
        "raw": encodable(field.raw),
        "values": list(field.values),
        "problem": field.problem or None,
    }


def _body_data(body: BodyView) -> Tree:
    return {
        "size": body.size,
        "media_type": encodable(body.media_type) or None,
        "lines": None if body.lines is None else list(body.lines),
        "sdp": None if body.description is None else description_data(body.description),
    }


def _noted_data(noted: Noted) -> Tree:
    deviation = noted.deviation
    return {"name": deviation.name, "section": deviation.section, "text": deviation.text, "where": noted.where}


def _fault_data(fault: Fault) -> Tree:
    return {
        "message": fault.message,
        "section": fault.section,
        "where": encodable(fault.where),
        "position": fault.position,
        "offset": fault.offset,
        "excerpt": encodable(fault.text[fault.offset :][:EXCERPT_CHARACTERS]),
        "status": fault.status,
    }
