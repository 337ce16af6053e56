"""What every command has in common: settings, the results, and known faults as one line with their exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from batch_client.errors import UsageError
from batch_client.exit_codes import ExitCode
from batch_client.settings import BatchSettings
from batch_client.sources.names import visible
from results.database import Database, ResultsError
from results.lock import Locked

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def read_settings(**from_command_line: Any) -> BatchSettings:
    """Read the environment; what the command line names counts instead."""
    try:
        return BatchSettings(**{name: value for name, value in from_command_line.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        fail(ExitCode.USAGE, f"a setting is wrong: {problems}")


class EarlyEnd(SystemExit):
    """The end of the program on a fault we know.

    Attributes:
        message: what was printed.
    """

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(int(code))
        self.message = message


@contextmanager
def open_results(settings: BatchSettings, creates: bool = False) -> Iterator[Database]:
    """Give the results, and end the program properly on the faults we know.

    Args:
        settings: of this program.
        creates: create the results if there are none.
    """
    with _faults():
        records_events = settings.returns_webhook_url is not None
        database = Database(settings.results_db, records_events, creates)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        fail(ExitCode.USAGE, str(error))
    except (ResultsError, OSError) as error:
        fail(ExitCode.RESULTS, str(error))
    except Locked as error:
        fail(ExitCode.LOCKED, str(error))


def fail(code: ExitCode, message: str) -> NoReturn:
    """End the program with one line and a code."""
    typer.echo(f"batch-client: {visible(message)}", err=True)
    raise EarlyEnd(code, message)
