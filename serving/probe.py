"""Requests that find out whether the service is ready. Only a real prediction proves it.

``/ping`` reports a server as healthy that has no model, or whose worker is still loading or crashes again and again.
"""

import io
import json
from pathlib import Path
from typing import Literal

import requests
from PIL import Image

from serving.settings import MODEL_NAME

_TIMEOUT = (2, 5)  # seconds: connect, read. The engine lets a request wait while a worker loads


def predicts(inference: str, key: str) -> bool:
    """Send a small picture to the model, and return whether it was classified."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy must not get requests to this machine
        return _predicts(session, inference, key)


def _predicts(session: requests.Session, inference: str, key: str) -> bool:
    try:
        answer = session.post(
            f"{inference}/predictions/{MODEL_NAME}",
            data=_picture(),
            # X-Probe keeps this picture out of the metrics.
            headers={"Content-Type": "image/png", "Authorization": f"Bearer {key}", "X-Probe": "1"},
            timeout=_TIMEOUT,
        )
        return answer.status_code == 200 and "predicted_class" in answer.json()
    except (requests.RequestException, ValueError):
        return False


def has_ready_worker(management: str, key: str) -> bool:
    """Return whether the served version has a worker that answers. True if the engine is too busy to answer."""
    try:
        answer = manage(management, key, "GET", f"/models/{MODEL_NAME}", _TIMEOUT[1])
        return any(worker["status"] == "READY" for worker in answer.json()[0]["workers"])
    except requests.RequestException:
        return True
    except (ValueError, LookupError, TypeError):  # the model is no longer registered
        return False


def engine_answers(management: str, key: str | None) -> bool:
    """Return whether the engine answers, even if its workers are busy."""
    if key is None:
        return False
    try:
        manage(management, key, "GET", "/models", _TIMEOUT[1])
    except requests.RequestException:
        return False
    return True


def manage(management: str, key: str, method: str, path: str, patience_s: float | None = None) -> requests.Response:
    """Send a request to the management API.

    Args:
        management: base URL of the management API.
        key: management key.
        method: HTTP method.
        path: path that begins with ``/``.
        patience_s: seconds to wait for the answer. None waits without a limit, because a registered model must load.

    Raises:
        requests.RequestException: there is no answer.
    """
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {key}"}
        return session.request(method, f"{management}{path}", headers=headers, timeout=(_TIMEOUT[0], patience_s))


def read_key(path: Path) -> str | None:
    """Read the inference key of the clients; None if there is none yet."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def read_engine_key(state: Path, name: Literal["inference", "management"]) -> str | None:
    """Read one of the keys that TorchServe made at its start; None if there is none yet.

    The file has mode 0600 and stays in the working directory of the engine, because it has the management key.
    """
    try:
        keys = json.loads((state / "key_file.json").read_text(encoding="utf-8"))
        return str(keys[name]["key"])
    except (OSError, ValueError, KeyError):
        return None


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 180, 160)).save(buffer, "PNG")
    return buffer.getvalue()
