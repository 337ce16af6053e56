"""The Java process of TorchServe."""

import errno
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from serving import drain, environment, logs
from serving.java import find_java
from serving.probe import has_ready_worker, predicts, read_engine_key
from serving.settings import ServingSettings

_LOGGING = Path(__file__).parent / "log4j2.xml"
STOP_SECONDS = 15  # Java's own end, after SIGTERM
REAP_SECONDS = 2  # after SIGKILL; with the drain, all of it fits into the 40 s that a container is given
_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",  # one thread and no regions: a body of 50 MB is 50 MB
    "-Xmx512m",
    "-Xms64m",  # by default a 64th of the machine's memory, which Java fills with garbage before it collects any
    "-XX:MaxNewSize=24m",  # a photo lives for milliseconds; twice as much is 30 MB more, and no faster
    "-XX:TieredStopAtLevel=1",  # ready sooner, and the compiler's own memory stays small; the network is the work
    "-XX:MaxDirectMemorySize=1g",  # only ever used by a server batch of the largest photos
    "-Dio.netty.allocator.numDirectArenas=1",  # as many arenas as threads would each keep their own reserve
    "-Dio.netty.allocator.numHeapArenas=1",
    "-Dio.netty.allocator.maxOrder=9",  # reserves of 4 MB, not 16: as fast, and given back sooner
    # TorchServe hands each server batch to Java's common pool, which on two cores begins a thread for every one.
    "-Djava.util.concurrent.ForkJoinPool.common.parallelism=2",
)


class AddressTakenError(RuntimeError):
    """Another program listens on an address of the engine. TorchServe alone would load, fail to bind and stay."""


class Engine:
    """One TorchServe, started without its own launcher, which orphans Java and hides its exit code.

    Args:
        settings: settings of this instance. The output of Java and the workers goes into our log.

    Raises:
        AddressTakenError: another program listens on an address of this one.
        NoJavaError: there is no Java runtime.
        ModuleNotFoundError: TorchServe is not installed.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self.settings = settings
        require_free_addresses(settings)
        java, packages = find_java(), _site_packages()
        # The sockets of the workers are in this folder. Their paths have 107 bytes at most, so it is not under `state`.
        self.temporary = Path(tempfile.mkdtemp(prefix="torchserve-"))
        self.drain_flag = self.temporary / "drain"
        self.drain_flag.touch()
        self._forget_keys()
        self.process = subprocess.Popen(
            self._command(java, packages),
            cwd=settings.state,  # TorchServe writes its key file into the working directory
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # one process group with its workers, so that all of them end
        )
        assert self.process.stdout is not None
        self._relay = threading.Thread(target=logs.relay, args=(self.process.stdout,), daemon=True)
        self._relay.start()

    def is_ready(self) -> bool:
        """Return whether a real prediction is answered; if so, write the inference key into its file."""
        key = read_engine_key(self.settings.state, "inference")
        if key is None or not predicts(self.settings.inference, key):
            return False
        self._hand_out(key)
        return True

    def has_worker(self) -> bool:
        """Return whether a worker of the served model answers."""
        return has_ready_worker(self.settings.management, read_engine_key(self.settings.state, "management") or "")

    def drain(self, force_stop: threading.Event) -> str:
        """Finish the requests in flight and refuse new ones. See :func:`serving.drain.drain`."""
        key = read_engine_key(self.settings.state, "management") or ""
        return drain.drain(self.drain_flag, self.settings.management, key, force_stop)

    def stop(self) -> None:
        """End Java and its workers, whatever their state, and remove their files."""
        self._signal_group(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self._signal_group(signal.SIGKILL)
        self.process.wait()
        self._reap()
        self._relay.join(REAP_SECONDS)
        self._forget_keys()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _reap(self) -> None:
        """Wait until the process group has ended. As process 1 of a container we inherit the orphans of Java."""
        deadline = time.monotonic() + REAP_SECONDS
        with suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                with suppress(ChildProcessError):
                    os.waitpid(-self.process.pid, os.WNOHANG)
                os.killpg(self.process.pid, 0)
                time.sleep(0.02)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # the whole group is gone already
            os.killpg(self.process.pid, number)

    def _command(self, java: Path, packages: Path) -> list[str]:
        return [
            str(java),
            *_JAVA_OPTIONS,
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
        inherited = environment.for_engine(os.environ, self.settings.passed_variables)
        own = {
            "TEMP": self.temporary,
            "TMPDIR": self.temporary,
            "TS_METRICS_CONFIG": self.settings.metrics_config,
            drain.VARIABLE: self.drain_flag,
        }
        return {**inherited, **{name: str(path) for name, path in own.items()}}

    def _hand_out(self, key: str) -> None:
        """Write the inference key for the clients; the engine's own file has the management key as well."""
        path = self.settings.token_file
        temporary = path.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(key + "\n")
        temporary.replace(path)

    def _forget_keys(self) -> None:
        for path in (self.settings.state / "key_file.json", self.settings.token_file):
            path.unlink(missing_ok=True)


def require_free_addresses(settings: ServingSettings, own_ports: Collection[int] = ()) -> None:
    """Refuse to start where another program listens.

    Args:
        settings: of the service that is about to start.
        own_ports: ports of the running service, which is about to be replaced.

    Raises:
        AddressTakenError: another program listens on one of the addresses.
    """
    others = [address for address in settings.listens if int(address.rpartition(":")[2]) not in own_ports]
    if taken := [address for address in others if _is_taken(address)]:
        raise AddressTakenError(
            f"{', '.join(taken)} is in use by another program. Stop it, or move this service with "
            "TS_INFERENCE_ADDRESS, TS_MANAGEMENT_ADDRESS, TS_METRICS_ADDRESS, TS_GRPC_INFERENCE_PORT, "
            "TS_GRPC_MANAGEMENT_PORT."
        )


def _is_taken(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as Java does, for ports that were closed a moment ago
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise OSError(f"{address} cannot be listened on: {error}") from error
    return False


def _site_packages() -> Path:
    """Return the folder that holds TorchServe, without importing it."""
    spec = importlib.util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("TorchServe is not installed: run `make serve`")
    return Path(spec.origin).parent.parent
