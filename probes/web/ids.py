"""Ids as bodies and paths have them. They are read here and made elsewhere: see `probes.service.batch`."""

from uuid import UUID

Id = UUID
"""A UUID; what is none is refused with its place."""
