"""Is the service ready? Only a real prediction can tell.

``/ping`` calls a server healthy that has no model, whose worker is still loading, or crashes again and again.
"""

import io
from pathlib import Path

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
            headers={"Content-Type": "image/png", "Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT,
        )
        return answer.status_code == 200 and "predicted_class" in answer.json()
    except (requests.RequestException, ValueError):
        return False


def read_key(path: Path) -> str | None:
    """Read a client's key; None while there is none."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 180, 160)).save(buffer, "PNG")
    return buffer.getvalue()
