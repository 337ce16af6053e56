"""The Java process of TorchServe."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from serving.java import find_java
from serving.probe import predicts
from serving.settings import ServingSettings

_LOGGING = Path(__file__).parent / "log4j2.xml"
_STOP_SECONDS = 15
# Code on PYTHONPATH would win over the code in the archive; TS_CONFIG_FILE over the settings named on the command line.
_NOT_INHERITED = frozenset({"PYTHONPATH", "TS_CONFIG_FILE"})


class AddressTakenError(RuntimeError):
    """Another program listens where the engine should; TorchServe itself would load, fail to bind and linger."""


class Engine:
    """One TorchServe, started without its launcher, which orphans Java and hides its exit code.

    Args:
        settings: of this instance. Java and the workers print to this process's own stdout.

    Raises:
        AddressTakenError: another program listens where this one should.
        NoJavaError: there is no Java runtime.
        ModuleNotFoundError: TorchServe is not installed.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self.settings = settings
        if taken := [address for address in settings.listens if _is_taken(address)]:
            raise AddressTakenError(
                f"{', '.join(taken)} is in use by another program. Stop it, or move this service with "
                "TS_INFERENCE_ADDRESS, TS_MANAGEMENT_ADDRESS, TS_METRICS_ADDRESS, TS_GRPC_INFERENCE_PORT, "
                "TS_GRPC_MANAGEMENT_PORT."
            )
        java, packages = find_java(), _site_packages()
        # Sockets of the workers lie here; a path of theirs may have at most 107 bytes, so not under `state`.
        self.temporary = Path(tempfile.mkdtemp(prefix="torchserve-"))
        self._forget_keys()
        self.process = subprocess.Popen(
            self._command(java, packages),
            cwd=settings.state,  # TorchServe writes its key file into the working directory
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # one group with its workers, so that none can outlive it
        )

    def is_ready(self) -> bool:
        """Tell whether a real prediction is answered; the inference key is then in its file."""
        key = self._engine_key("inference")
        if key is None or not predicts(self.settings.inference, key):
            return False
        self._hand_out(key)
        return True

    def stop(self) -> None:
        """End Java and its workers, whatever state they are in, and remove what they left."""
        self._signal_group(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_SECONDS)
        self._signal_group(signal.SIGKILL)
        self.process.wait()
        self._forget_keys()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # the whole group is gone already
            os.killpg(self.process.pid, number)

    def _command(self, java: Path, packages: Path) -> list[str]:
        return [
            str(java),
            f"-Xmx{self.settings.heap_mb}m",
            f"-Dmodel_server_home={packages}",
            f"-Djava.io.tmpdir={self.temporary}",
            f"-Dlog4j.configurationFile={_LOGGING.as_uri()}",
            *("-cp", f"{packages}/ts/frontend/*"),
            "org.pytorch.serve.ModelServer",
            *("--python", sys.executable),
            *("-f", str(self.settings.config)),
            *("-s", str(self.settings.store)),
            "-ncs",  # no snapshots: a later start would restore them and ignore the configuration
        ]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        return {**inherited, "TEMP": str(self.temporary), "TMPDIR": str(self.temporary)}

    def _engine_key(self, name: str) -> str | None:
        """Read one of the keys that TorchServe made at this start."""
        try:
            keys = json.loads((self.settings.state / "key_file.json").read_text(encoding="utf-8"))
            return str(keys[name]["key"])
        except (OSError, ValueError, KeyError):
            return None

    def _hand_out(self, key: str) -> None:
        """Write the inference key alone where clients read it; whoever reads the engine's own file can manage it."""
        path = self.settings.token_file
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(key + "\n")
        temporary.replace(path)

    def _forget_keys(self) -> None:
        for path in (self.settings.state / "key_file.json", self.settings.token_file):
            path.unlink(missing_ok=True)


def _is_taken(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does, for ports just closed
        try:
            probe.bind((host, int(port)))
        except OSError:
            return True
    return False


def _site_packages() -> Path:
    """Return the folder that holds TorchServe, without importing it."""
    spec = importlib.util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("TorchServe is not installed: run `make serve`")
    return Path(spec.origin).parent.parent
