"""How the corpus's labels and ours name the same products.

The corpus gathers labels of several hands: each banner has a product, a vendor, a version, and the family that its
product belongs to. Where a family is named here, any of our names for it is right; elsewhere its first word decides.
"""

import re
from collections.abc import Mapping
from typing import Any

from probes.result import System

FAMILIES: dict[str, tuple[str, ...]] = {
    "3CX": ("3CX Phone System",),
    "3cx": ("3CXPhone",),
    "3CX softphone": ("3CXPhone",),
    "Asterisk": ("Asterisk",),
    "AVM FRITZ!Box": ("FRITZ!Box",),
    "AudioCodes": ("AudioCodes Mediant",),
    "Avaya/Nortel": ("Nortel CS1000", "Avaya Aura"),
    "Cisco": ("Cisco ATA or SPA phone", "Cisco IP phone"),
    "Cisco CUCM": ("Cisco Unified CM",),
    "Cisco IOS": ("Cisco IOS gateway",),
    "Cisco Systems, Inc.": ("Cisco ATA or SPA phone",),
    "Cisco phone": ("Cisco IP phone",),
    "Cisco/Linksys ATA": ("Cisco ATA or SPA phone",),
    "CounterPath": ("Bria", "X-Lite/eyeBeam"),
    "Eltex": ("Eltex gateway",),  # labelled FreeSWITCH where they say that they are built with its SIP library
    "FreePBX/Asterisk": ("FreePBX",),
    "FreeSWITCH": ("FreeSWITCH",),
    "Grandstream UCM": ("Grandstream UCM",),
    "Kamailio": ("Kamailio",),
    "Media5 Corporation": ("M5T SIP stack",),
    "Microsoft": ("Skype for Business",),
    "Mitel": ("Mitel",),
    "OpenSER/SER": ("OpenSER", "SIP Express Router"),
    "OpenSIPS": ("OpenSIPS",),
    "Ribbon/Sonus": ("Ribbon SBC",),
    "SIP scanner": ("SIP scanner",),
    "Tandberg": ("Cisco Expressway", "Cisco Collaboration Endpoint"),
    "pjsip": ("PJSIP",),
    "goip": ("GoIP",),
    "sipXecs": ("sipXecs",),
}
"""Our names of the products of the corpus's families."""


def is_right(row: Mapping[str, Any], system: System) -> bool:
    """Whether a banner was read as its label says; where another project labelled it, the device counts as well."""
    ours = _squashed(f"{system.vendor} {system.product} {system.model}")
    label = f"{row.get('product') or row.get('vendor') or ''}"
    if not label:
        return not system.product
    if row["family"] in FAMILIES:
        named = system.product in FAMILIES[row["family"]]
    else:
        words = [_squashed(text.split()[0]) for text in (row.get("vendor"), row.get("product")) if text]
        named = any(word in ours for word in words)
    numbers = [_squashed(word) for word in label.split() if any(map(str.isdigit, word))] if row.get("gold") else []
    return named and all(word in ours for word in numbers)


def is_version(label: str, version: str) -> bool:
    """Whether two versions are the same one: what a build is called may be given, or not, behind the number."""
    label, version = label.lstrip("vV"), version.lstrip("vV")
    longer, shorter = (label, version) if len(label) >= len(version) else (version, label)
    return bool(shorter) and re.fullmatch(rf"{re.escape(shorter)}(?:[^0-9A-Za-z.].*)?", longer) is not None


def _squashed(text: str) -> str:
    return re.sub(r"[^a-z0-9+]+", "", text.lower())
