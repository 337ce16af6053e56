"""Is the service ready? Only a real prediction can tell.

``/ping`` calls a server healthy that has no model, whose worker is still loading, or crashes again and again.
"""

import io
import json
from pathlib import Path
from typing import Literal

import requests
from PIL import Image

from serving.settings import MODEL_NAME

_TIMEOUT = (2, 5)  # seconds: connect, read; while a worker loads, the engine lets a request wait


def predicts(inference: str, key: str) -> bool:
    """Send a small picture through the model; true when it was classified."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy for the outside world must not get what stays on this machine
        return _predicts(session, inference, key)


def _predicts(session: requests.Session, inference: str, key: str) -> bool:
    try:
        answer = session.post(
            f"{inference}/predictions/{MODEL_NAME}",
            data=_picture(),
            # X-Probe keeps it out of the metrics, which tell how many photos came and how many need a person.
            headers={"Content-Type": "image/png", "Authorization": f"Bearer {key}", "X-Probe": "1"},
            timeout=_TIMEOUT,
        )
        return answer.status_code == 200 and "predicted_class" in answer.json()
    except (requests.RequestException, ValueError):
        return False


def has_ready_worker(management: str, key: str) -> bool:
    """Tell whether the served version has a worker that answers; true, too, when the engine is too busy to say."""
    try:
        answer = manage(management, key, "GET", f"/models/{MODEL_NAME}", _TIMEOUT[1])
        return any(worker["status"] == "READY" for worker in answer.json()[0]["workers"])
    except requests.RequestException:
        return True
    except (ValueError, LookupError, TypeError):  # no such model any more
        return False


def engine_answers(management: str, key: str | None) -> bool:
    """Tell whether the engine answers at all, however long its workers take."""
    if key is None:
        return False
    try:
        manage(management, key, "GET", "/models", _TIMEOUT[1])
    except requests.RequestException:
        return False
    return True


def manage(management: str, key: str, method: str, path: str, patience_s: float | None = None) -> requests.Response:
    """Ask the management API.

    Args:
        management: base URL of the management API.
        key: the management key.
        method: of HTTP.
        path: begins with ``/``.
        patience_s: seconds for the answer; None: the engine's to say, for a model that is registered must load.

    Raises:
        requests.RequestException: there is no answer.
    """
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {key}"}
        return session.request(method, f"{management}{path}", headers=headers, timeout=(_TIMEOUT[0], patience_s))


def read_key(path: Path) -> str | None:
    """Read a client's key; None while there is none."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def read_engine_key(state: Path, name: Literal["inference", "management"]) -> str | None:
    """Read one of the keys that TorchServe made at its start; None while there is none.

    The file, of mode 0600, lies in the engine's working directory and stays there: whoever reads it can manage.
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
