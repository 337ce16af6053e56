"""Settings of the service: addresses of the engine and paths of its files."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MODEL_NAME = "refund_classifier"
_ADDRESSES = ("inference_address", "management_address", "metrics_address")
_LOOPBACK = ("127.0.0.1", "localhost")
_GRPC_PORTS = ("grpc_inference_port", "grpc_management_port")


@dataclass(frozen=True)
class ServingSettings:
    """One instance of the service.

    Attributes:
        config: TorchServe's ``config.properties``.
        store: folder with the model archives.
        state: folder of this instance: its keys, who runs it. Two instances need two.
        log_folder: folder of its log. Two instances need two.
        token_file: file with the inference key, for clients. The management key stays in ``state``.
        inference: base URL of the inference API.
        management: base URL of the management API.
        metrics: base URL of the metrics.
        metrics_config: file that declares the metrics.
        listens: each ``host:port`` on which the engine listens, with those of gRPC.
        passed_variables: names of more variables that the engine may see.
        overrides: the variables ``TS_*`` that override the file, sorted.
        startup_timeout: seconds until the first prediction must be answered, and for which workers may be missing.
    """

    config: Path
    store: Path
    state: Path
    log_folder: Path
    token_file: Path
    inference: str
    management: str
    metrics: str
    metrics_config: Path
    listens: tuple[str, ...]
    passed_variables: tuple[str, ...]
    overrides: tuple[tuple[str, str], ...]
    startup_timeout: float

    @property
    def archive(self) -> Path:
        """The archive that is loaded at start."""
        return self.store / f"{MODEL_NAME}.mar"

    def require_archive(self) -> None:
        """Refuse to start without a model.

        Raises:
            FileNotFoundError: there is no archive; the message says how to build it.
        """
        if not self.archive.is_file():
            raise FileNotFoundError(f"{self.archive} does not exist. Build it with `make export`.")

    @property
    def log_file(self) -> Path:
        """The server's log, rotated."""
        return self.log_folder / "app.log"

    @property
    def output_file(self) -> Path:
        """The output of a supervisor in the background that is not in the log, such as why it cannot start."""
        return self.state / "server.out"

    def fingerprint(self) -> str:
        """Return a digest of what is served and how. A running service with another digest is out of date."""
        digest = hashlib.sha256()
        for path in (self.archive, self.config, self.metrics_config):
            digest.update(path.read_bytes())
        digest.update(repr(self.overrides).encode())
        return digest.hexdigest()


def from_environment(environment: Mapping[str, str] = os.environ) -> ServingSettings:
    """Read the settings as the engine does: from the file, overridden by the variables ``TS_<KEY>``.

    Raises:
        FileNotFoundError: there is no ``config.properties``.
        ValueError: an address or a number is not valid; the message names it.
    """
    config = Path(environment.get("SERVING_CONFIG", "config.properties")).resolve()
    values = _read_properties(config)
    for key in (*_ADDRESSES, *_GRPC_PORTS):
        values[key] = environment.get(f"TS_{key.upper()}", values.get(key, ""))
    for key in _ADDRESSES:
        address = re.fullmatch(r"http://[^/:]+:(\d+)", values[key])
        if address is None or not _is_port(address[1]):
            raise ValueError(f"{key} (TS_{key.upper()}) must be http://HOST:PORT, found {values[key]!r}")
    if urlsplit(values["management_address"]).hostname not in _LOOPBACK:
        raise ValueError(
            f"management_address (TS_MANAGEMENT_ADDRESS) must be on 127.0.0.1, found {values['management_address']!r}: "
            "whoever reaches it can run code here. From elsewhere, use an SSH tunnel."
        )
    for key in _GRPC_PORTS:
        if not _is_port(values[key]):
            raise ValueError(f"{key} (TS_{key.upper()}) must be a port, 1 to 65535, found {values[key]!r}")
    # The engine resolves a relative path against its working directory, which is `state`.
    metrics_config = (config.parent / environment.get("TS_METRICS_CONFIG", values.get("metrics_config", ""))).resolve()
    if not metrics_config.is_file():
        raise FileNotFoundError(f"{metrics_config} does not exist: metrics_config in {config} must name a file.")
    timeout = environment.get("SERVING_STARTUP_TIMEOUT", "120")
    if not timeout.isdecimal():
        raise ValueError(f"SERVING_STARTUP_TIMEOUT must be a number of seconds, found {timeout!r}")
    state = Path(environment.get("SERVING_STATE", ".serving")).resolve()
    return ServingSettings(
        config=config,
        store=Path(environment.get("MODEL_STORE", "model_store")).resolve(),
        state=state,
        token_file=Path(environment.get("SERVING_KEY_FILE", state / "inference.key")).resolve(),
        log_folder=Path(environment.get("LOG_DIR", "logs")).resolve(),
        inference=_reachable(values["inference_address"]),
        management=values["management_address"],
        metrics=_reachable(values["metrics_address"]),
        metrics_config=metrics_config,
        listens=(
            *(values[key].removeprefix("http://") for key in _ADDRESSES),
            *(f"127.0.0.1:{values[key]}" for key in _GRPC_PORTS),
        ),
        passed_variables=tuple(environment.get("SERVING_PASS_ENV", "").split()),
        overrides=tuple(sorted((name, value) for name, value in environment.items() if name.startswith("TS_"))),
        startup_timeout=float(timeout),
    )


def _read_properties(path: Path) -> dict[str, str]:
    """Read ``key=value`` lines. The file has no continuation lines and no escapes."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Run from the repository's root, or set SERVING_CONFIG.")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _is_port(digits: str) -> bool:
    return digits.isdecimal() and 1 <= int(digits) <= 65_535


def _reachable(address: str) -> str:
    """Return the URL for requests from this machine. 0.0.0.0 cannot be connected to."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:")
