"""``python -m web``: serve the desk, manage accounts and sessions, export training data."""

import logging
import os
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import requests
import typer
from pydantic import ValidationError

from results.database import Database, ResultsError
from web import log
from web.app import create_app
from web.auth.account import AccountsError
from web.auth.accounts import Accounts
from web.auth.api_tokens import ApiTokens, ApiTokensError
from web.auth.second_factors import SecondFactors, SecondFactorsError
from web.auth.sessions import Sessions, SessionsError
from web.http.server import ServerError, listen, run
from web.settings import Role, WebSettings
from web.training_export import export_training as write_training_folder

_STATUS_SECONDS = 10

logger = logging.getLogger(__name__)
app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, invoke_without_command=True
)


def _version() -> str:
    try:
        return metadata.version("refund-classifier")
    except metadata.PackageNotFoundError:  # an image carries the packages without their metadata
        return "unknown"


@app.callback()
def main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """The web desk of refund-classifier."""
    if version:
        typer.echo(f"refund-classifier {_version()}")
        raise typer.Exit
    os.umask(0o077)  # what the desk writes is personal data


@app.command()
def serve(
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when a Python file of the desk changes; for development.")
    ] = False,
) -> None:
    """Serve the desk on WEB_HOST and WEB_PORT until SIGTERM."""
    settings = _settings()
    log.configure(settings.log_format)
    try:
        sockets = listen(settings.web_host, settings.web_port)
        _say_who_gets_in(settings)
        application = "web.app:create_from_environment" if reload else create_app(settings)
    except (AccountsError, SessionsError, ResultsError, ServerError, OSError) as error:
        _fail(str(error))
    for bound in sockets:
        host, port = bound.getsockname()[:2]
        logger.info("The desk listens on http://%s:%s", f"[{host}]" if ":" in host else host, port)
    run(application, sockets, reload)


@app.command()
def status() -> None:
    """Check the desk on WEB_PORT and the model behind it; exit with 0 if both answer, with 1 if not."""
    settings = _settings()
    host = "127.0.0.1" if settings.web_host in ("0.0.0.0", "::") else settings.web_host  # noqa: S104  (compared)
    with requests.Session() as session:
        session.trust_env = False  # a proxy for other sites must not see what stays on this machine
        try:
            health = session.get(f"http://{host}:{settings.web_port}/", timeout=_STATUS_SECONDS).json()
        except (requests.RequestException, ValueError) as error:
            typer.echo(f"web: the desk does not answer: {error}", err=True)
            raise SystemExit(1) from error
    typer.echo(f"desk: ready\nservice: {health['service']}")
    raise SystemExit(0 if health["service"] == "ready" else 1)


@app.command("add-user")
def add_user(
    name: Annotated[str, typer.Argument(help="Letters, digits and . _ @ -")],
    role: Annotated[
        Role, typer.Option(help="viewer: look; reviewer: also decide; admin: also undo the verdicts of others.")
    ] = "reviewer",
) -> None:
    """Add an account, or change the role and the password of one. Enter the password or pipe it in."""
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")  # a pipe of Windows ends lines in two characters
    accounts = Accounts(_settings().web_dir)
    try:
        accounts.add(name, role, password)
    except (AccountsError, OSError) as error:
        _fail(str(error))
    typer.echo(f"{name} is {role}; accounts are in {accounts.path}")


@app.command("list-users")
def list_users() -> None:
    """List the accounts with their roles."""
    try:
        accounts = Accounts(_settings().web_dir).all()
    except (AccountsError, OSError) as error:
        _fail(str(error))
    for account in accounts.values():
        notes = {
            "disabled": account.is_disabled,
            "authenticator app": account.has_second_factor,
            "must change the password": account.must_change,
        }
        typer.echo("  ".join([f"{account.name} {account.role}", *(note for note, holds in notes.items() if holds)]))


@app.command("remove-user")
def remove_user(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Remove an account and end its logins. What the user decided stays."""
    folder = _settings().web_dir
    try:
        Accounts(folder).remove(name)
        SecondFactors(folder).remove(name)
        _end_sessions(folder, name)
    except (AccountsError, SecondFactorsError, SessionsError, OSError) as error:
        _fail(str(error))
    typer.echo(f"removed {name}")


@app.command("remove-totp")
def remove_totp(
    name: Annotated[str, typer.Argument(help="The user who lost the phone and the recovery codes.")],
) -> None:
    """Remove the authenticator app of a user; the password alone opens the account again."""
    folder = _settings().web_dir
    try:
        Accounts(folder).change(name, has_second_factor=False)
        SecondFactors(folder).remove(name)
    except (AccountsError, SecondFactorsError, OSError) as error:
        _fail(str(error))
    typer.echo(f"{name} logs in with the password alone")


@app.command("add-token")
def add_token(
    name: Annotated[str, typer.Argument(help="The system that gets it: letters, digits and . _ -")],
    role: Annotated[Role, typer.Option(help="viewer reads returns, reviewer decides about them.")] = "viewer",
) -> None:
    """Make a token for /api/v1 and print it once; only its hash is kept."""
    try:
        token = ApiTokens(_settings().web_dir).add(name, role)
    except (ApiTokensError, OSError) as error:
        _fail(str(error))
    typer.echo(token)


@app.command("list-tokens")
def list_tokens() -> None:
    """List the names and roles of the tokens for /api/v1."""
    try:
        tokens = ApiTokens(_settings().web_dir).all()
    except (ApiTokensError, OSError) as error:
        _fail(str(error))
    for token in tokens.values():
        typer.echo(f"{token.name} {token.role}")


@app.command("remove-token")
def remove_token(name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Remove a token for /api/v1; the next request with it is refused."""
    try:
        ApiTokens(_settings().web_dir).remove(name)
    except (ApiTokensError, OSError) as error:
        _fail(str(error))
    typer.echo(f"removed {name}")


@app.command("sessions")
def sessions(
    end: Annotated[str, typer.Option(metavar="NAME", help="End all logins of this user.")] = "",
) -> None:
    """List who is logged in, or log a user out everywhere."""
    try:
        stored = Sessions(_settings().web_dir)
        if end:
            typer.echo(f"ended {stored.end_all(end)} logins of {end}")
        else:
            for session in stored.running():
                seen = datetime.fromtimestamp(session.seen, UTC).isoformat(timespec="minutes")
                typer.echo(f"{session.name}  last used {seen}  from {session.address}  {session.browser}")
        stored.close()
    except (SessionsError, OSError) as error:
        _fail(str(error))


@app.command("export-training")
def export_training(
    folder: Annotated[Path, typer.Argument(help="Folder to write; must be empty or new.")],
) -> None:
    """Write the reviewed photos for `make train`: one folder for each category, and labels.csv."""
    settings = _settings()
    try:
        database = Database(settings.results_db, creates=False)
        try:
            exported = write_training_folder(database, settings.media_dir, folder)
        finally:
            database.close()
    except (ResultsError, OSError, ValueError) as error:
        _fail(str(error))
    typer.echo(f"{exported.written} photos in {folder}; {exported.without_picture} have no picture and were left out")


def _say_who_gets_in(settings: WebSettings) -> None:
    """Print who has access, and create the first account where it is needed.

    Raises:
        AccountsError: there were accounts, and they are gone.
    """
    accounts = Accounts(settings.web_dir)
    if accounts.are_missing:
        raise AccountsError(
            f"this desk had accounts, and {accounts.path} holds none. Restore the file from a backup, or add an "
            "account with `python -m web add-user NAME --role admin`"
        )
    if not settings.is_loopback and not settings.web_proxy_header and (path := accounts.create_admin()):
        typer.echo(f"web: this is the first start. The user is admin, the password is in {path}")
    if accounts.all() or settings.web_proxy_header:
        return
    typer.echo(
        "web: there are no accounts. The desk asks nobody for a password and lets in only this machine; "
        "`python -m web add-user NAME` adds an account"
    )


def _end_sessions(folder: Path, name: str) -> None:
    stored = Sessions(folder)
    stored.end_all(name)
    stored.close()


def _settings() -> WebSettings:
    try:
        return WebSettings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        _fail(f"a setting is wrong: {problems}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"web: {message}", err=True)
    raise SystemExit(2)
