"""The project's documents, as the tests that hold them to the code read them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
_NOT_OURS = {".venv", ".pytest_cache", "node_modules", "site"}


def documents() -> list[Path]:
    """Return every Markdown file of the project."""
    return [path for path in ROOT.glob("**/*.md") if not _NOT_OURS & set(path.relative_to(ROOT).parts)]


def page(name: str) -> str:
    """Return the text of one page of ``docs/``, such as ``batch-client``."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def docs_text() -> str:
    """Return the README and every page of ``docs/`` as one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (README, *sorted(DOCS.rglob("*.md"))))


def section(text: str, heading: str) -> str:
    """Return what stands below a heading of the second level.

    Raises:
        LookupError: the text has no such heading.
    """
    _, found, rest = f"\n{text}".partition(f"\n## {heading}\n")
    if not found:
        raise LookupError(f"no heading {heading!r}")
    return rest.partition("\n## ")[0]


def commands(text: str) -> list[str]:
    """Return the commands of the console blocks of a text, without the comments behind them."""
    whole = re.findall(r"^\$ ((?:.+\\\n)*.+)$", text, flags=re.MULTILINE)
    return [re.sub(r"\s+# .*$", "", command) for command in whole]
