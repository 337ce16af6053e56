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
    """Another program listens where the engine should; TorchServe itself would load, fail to bind and linger."""


class Engine:
    """One TorchServe, started without its launcher, which orphans Java and hides its exit code.

    Args:
        settings: of this instance. What Java and the workers print goes into our log.

    Raises:
        AddressTakenError: another program listens where this one should.
        NoJavaError: there is no Java runtime.
        ModuleNotFoundError: TorchServe is not installed.
    """

    def __init__(self, settings: ServingSettings) -> None:
        self.settings = settings
        require_free_addresses(settings)
        java, packages = find_java(), _site_packages()
        # Sockets of the workers lie here; a path of theirs may have at most 107 bytes, so not under `state`.
        self.temporary = Path(tempfile.mkdtemp(prefix="torchserve-"))
        self.drain_sign = self.temporary / "drain"
        self.drain_sign.touch()
        self._forget_keys()
        self.process = subprocess.Popen(
            self._command(java, packages),
            cwd=settings.state,  # TorchServe writes its key file into the working directory
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # one group with its workers, so that none can outlive it
        )
        assert self.process.stdout is not None
        self._relay = threading.Thread(target=logs.relay, args=(self.process.stdout,), daemon=True)
        self._relay.start()

    def is_ready(self) -> bool:
        """Tell whether a real prediction is answered; the inference key is then in its file."""
        key = read_engine_key(self.settings.state, "inference")
        if key is None or not predicts(self.settings.inference, key):
            return False
        self._hand_out(key)
        return True

    def has_worker(self) -> bool:
        """Tell whether a worker of the served model answers."""
        return has_ready_worker(self.settings.management, read_engine_key(self.settings.state, "management") or "")

    def drain(self, hurried: threading.Event) -> str:
        """Finish what was begun and decline the rest; return how it went. See :func:`serving.drain.drain`."""
        key = read_engine_key(self.settings.state, "management") or ""
        return drain.drain(self.drain_sign, self.settings.management, key, hurried)

    def stop(self) -> None:
        """End Java and its workers, whatever state they are in, and remove what they left."""
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
        """Wait until nothing of the group is left; as process 1 of a container we inherit what Java leaves."""
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
            drain.VARIABLE: self.drain_sign,
        }
        return {**inherited, **{name: str(path) for name, path in own.items()}}

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
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does, for ports just closed
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
