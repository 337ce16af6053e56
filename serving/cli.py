"""Commands of ``python -m serving``: run, start, stop, status, token, manage."""

import json
from typing import Annotated

import requests
import typer

from serving import control, logs, probe
from serving.engine import AddressTakenError
from serving.java import NoJavaError
from serving.probe import read_engine_key, read_key
from serving.settings import ServingSettings, from_environment
from serving.supervisor import read_instance, supervise

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Start, watch and stop TorchServe."
)


@app.command()
def run() -> None:
    """Run in the foreground until SIGTERM, then drain. For containers and service managers."""
    try:
        raise SystemExit(supervise(_settings()))
    except (AddressTakenError, NoJavaError, ModuleNotFoundError, OSError) as error:
        raise SystemExit(f"serving: {error}") from error


@app.command()
def start() -> None:
    """Start in the background, and return when a real prediction has been answered."""
    settings = _settings()
    if fault := logs.why_no_file(settings.log_file):
        typer.echo(f"serving: {fault}", err=True)
    try:
        typer.echo(f"TorchServe {control.start(settings)}")
    except (control.ServiceError, AddressTakenError, OSError) as error:
        raise SystemExit(f"serving: {error}") from error


@app.command()
def stop() -> None:
    """Drain and stop the service, and return when all of its processes have ended."""
    try:
        typer.echo(f"TorchServe {control.stop(_settings())}")
    except PermissionError as error:
        raise SystemExit("serving: the service belongs to another user") from error


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Print whether the service answers predictions; exit with 0 if it does, with 1 if not."""
    settings = _settings()
    instance = read_instance(settings.state)
    state = {
        "running": instance is not None and instance.supervisor_alive(),
        "ready": control.answers(settings),
        "up_to_date": instance is not None
        and settings.archive.is_file()
        and instance.fingerprint == settings.fingerprint(),
        "inference": settings.inference,
    }
    typer.echo(json.dumps(state) if as_json else "\n".join(f"{name}: {value}" for name, value in state.items()))
    raise SystemExit(0 if state["ready"] else 1)


@app.command()
def token(
    management: Annotated[bool, typer.Option("--management", help="The token of the management API instead.")] = False,
) -> None:
    """Print the inference token of the running service."""
    settings = _settings()
    key = read_engine_key(settings.state, "management") if management else read_key(settings.token_file)
    if key is None:
        raise SystemExit("serving: no service is running. Start it with `make serve`.")
    typer.echo(key)


@app.command()
def manage(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.")],
    path: Annotated[str, typer.Argument(help="Such as /models/refund_classifier/2.0.0/set-default.")],
) -> None:
    """Send a request to the management API, also where curl is missing; exit with 1 if it is refused."""
    if not path.startswith("/"):
        raise SystemExit(f"serving: the path must begin with /, as in /models, found {path!r}")
    settings = _settings()
    key = read_engine_key(settings.state, "management")
    if key is None:
        raise SystemExit("serving: no service is running, or it belongs to another user.")
    try:
        answer = probe.manage(settings.management, key, method, path)
    except requests.RequestException as error:
        raise SystemExit(f"serving: the management API does not answer: {error}") from error
    typer.echo(answer.text.rstrip())
    raise SystemExit(0 if answer.ok else 1)


def _settings() -> ServingSettings:
    try:
        return from_environment()
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"serving: {error}") from error
