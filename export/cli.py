"""``python -m export``: build an archive or describe one."""

import json
from pathlib import Path
from typing import Annotated

import typer

from export import archive

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Pack the model for TorchServe."
)
_STORE = Path("model_store")


@app.command()
def build(
    model: Annotated[Path, typer.Option(help="Folder with checkpoint.safetensors and contract.json.")] = Path("model"),
    store: Annotated[Path, typer.Option(envvar="MODEL_STORE", help="Folder for the archives.")] = _STORE,
    candidate: Annotated[
        bool,
        typer.Option("--candidate", help="Do not replace refund_classifier.mar, which is loaded at start."),
    ] = False,
) -> None:
    """Build refund_classifier.mar and refund_classifier-VERSION.mar and verify them in a clean process."""
    try:
        path = archive.build(model, store, candidate)
    except (OSError, ValueError, RuntimeError) as error:
        raise SystemExit(f"export: {error}") from error
    described = archive.describe(path)
    typer.echo(
        f"built {path}: model {described['model_version']}, {described['bytes'] / 1e6:.1f} MB, "
        "verified against the checkpoint in a clean process"
    )


@app.command()
def describe(
    path: Annotated[
        Path | None, typer.Argument(help="The archive; default: refund_classifier.mar of the store.")
    ] = None,
    store: Annotated[Path, typer.Option(envvar="MODEL_STORE", help="Folder with the archives.")] = _STORE,
) -> None:
    """Print the content of an archive as JSON."""
    try:
        typer.echo(json.dumps(archive.describe(path or store / archive.ARCHIVE_NAME), indent=2))
    except (OSError, ValueError) as error:
        raise SystemExit(f"export: {error}") from error
