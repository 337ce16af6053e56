"""Give the built images a version, write their bills of materials, and push them to a registry.

Usage: python -m tools.release REGISTRY/NAME [--version 1.2.3] [--dry-run]

On the machine that runs them, set IMAGE_PREFIX=REGISTRY/NAME and IMAGE_TAG=1.2.3 in .env, and run `docker compose pull`
and `docker compose up -d`.
"""

import argparse
import re
import subprocess
import tomllib
from pathlib import Path

from tools import bill_of_materials

IMAGES = ("server", "batch", "web")
_PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def main() -> None:
    """Write the bills of materials, tag all images, then push them. A second call completes a push that failed."""
    parser = argparse.ArgumentParser(description="Tag and push the images.")
    parser.add_argument("target", help="registry and name, such as registry.example/returns/refund-classifier")
    parser.add_argument("--version", default=project_version(), help="the tag; default: that of pyproject.toml")
    parser.add_argument("--source", default="refund-classifier", help="IMAGE_PREFIX of the build")
    parser.add_argument("--source-tag", default="latest", help="IMAGE_TAG of the build")
    parser.add_argument("--sbom", type=Path, default=Path("sbom"), help="folder for the CycloneDX documents")
    parser.add_argument("--extras", default="", help="EXTRAS of the build, such as 'postgresql s3'")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and do nothing")
    chosen = parser.parse_args()
    if not _TAG.fullmatch(chosen.version):
        parser.error(f"{chosen.version!r} is not a valid image tag")
    for image in IMAGES:
        path = chosen.sbom / f"{image}-{chosen.version}.cdx.json"
        print(f"bill of materials: {path}", flush=True)
        if not chosen.dry_run:
            bill_of_materials.write(image, tuple(chosen.extras.split()), path)
    for command in commands(chosen.target, chosen.version, chosen.source, chosen.source_tag):
        print(" ".join(command), flush=True)
        if not chosen.dry_run and subprocess.run(command).returncode != 0:
            raise SystemExit(f"release: failed at the line above; {chosen.target} may hold a part of {chosen.version}")


def commands(target: str, version: str, source: str, source_tag: str) -> list[list[str]]:
    """Return the commands of a release. All tags come first, so that a missing image stops it before the first push."""
    names = [f"{target}-{image}:{version}" for image in IMAGES]
    tags = [
        ["docker", "tag", f"{source}-{image}:{source_tag}", name] for image, name in zip(IMAGES, names, strict=True)
    ]
    return tags + [["docker", "push", name] for name in names]


def project_version() -> str:
    """Return the project's version."""
    return str(tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"])


if __name__ == "__main__":
    main()
