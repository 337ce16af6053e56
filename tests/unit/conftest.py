"""Fixtures of the unit level: no server, no database server, no other process."""

from tests.support.fixtures import log_as_found, media

__all__ = ["log_as_found", "media"]
