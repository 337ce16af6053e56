"""MkDocs hook: add the documents outside ``docs/`` to the site, and point links at their pages.

The links of a Markdown file are paths in the repository. On the site, ``../model/README.md`` is ``model-card.md``.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Path in the repository -> path on the site.
INCLUDED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "examples/README.md": "examples.md",
    "examples/Caddyfile": "examples/Caddyfile",
    "examples/classify_folder.py": "examples/classify_folder.py",
    "examples/manifest/make_manifest.py": "examples/make_manifest.py",
    "examples/systemd/refund-service.service": "examples/refund-service.service",
    ".env.example": "examples/env.example",
    "model/README.md": "model-card.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/results/bench.json": "benchmarks/bench.json",
    "benchmarks/results/load.png": "benchmarks/load.png",
    "openapi.yaml": "openapi.yaml",
}
_LINK = re.compile(r"(\]\()([^)#:\s]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of ``INCLUDED`` to the files of the site."""
    root = Path(config.config_file_path).parent
    for source, target in INCLUDED.items():
        files.append(File.generated(config, target, abs_src_path=str(root / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Replace each relative link by the place that its target has on the site."""
    origins = {target: source for source, target in INCLUDED.items()}
    here = page.file.src_uri
    origin = origins.get(here, f"docs/{here}")

    def on_site(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), match[2]))
        place = INCLUDED.get(target) or target.removeprefix("docs/")
        return f"{match[1]}{posixpath.relpath(place, posixpath.dirname(here) or '.')}{match[3]}"

    return _LINK.sub(on_site, markdown)
