"""The errors that the docs list, and those that openapi.yaml describes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def tabled_codes(text: str) -> set[tuple[str, str]]:
    """Return (status, code or type) of the two tables of errors in a page."""
    rows = re.findall(r"^\| ([45]\d\d(?:, [45]\d\d)*) \| ([^|]+) \|", text, flags=re.MULTILINE)
    return {
        (status, code) for cell, names in rows for status in cell.split(", ") for code in re.findall(r"`(\w+)`", names)
    }


def described_codes(openapi: Path) -> set[tuple[str, str]]:
    """Return (status, code or type) of all responses that the OpenAPI file describes."""
    api = yaml.safe_load(openapi.read_text(encoding="utf-8"))
    found = set()
    for path in api["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):  # parameters are a list
                for status, response in operation["responses"].items():
                    name = response.get("$ref", "").rpartition("/")[2]
                    resolved = api["components"]["responses"][name] if name else response
                    found |= {(status, code) for code in _enumerated(resolved) if int(status) >= 400}
    return found


def _enumerated(node: Any) -> Iterator[str]:
    """Yield the values that a schema allows for `code` and `type`, at any depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("code", "type") and isinstance(value, dict):
                yield from value.get("enum", ())
            yield from _enumerated(value)
    elif isinstance(node, list):
        for value in node:
            yield from _enumerated(value)
