"""The client of the service: one request, one typed answer, no opinion about another attempt."""

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from service_client.responses import (
    FaultKind,
    PhotoRejected,
    Prediction,
    ServedModel,
    ServiceFault,
    read_description,
    read_prediction,
)
from service_client.transport import NoReply, Reply, Transport

MODEL_NAME = "refund_classifier"
# The service recognises the format by the bytes. A more specific type could only mislead the engine.
_PHOTO_TYPE = {"Content-Type": "application/octet-stream"}
PictureWish = Literal["review", "always"]


class InferenceClient:
    """A client of the service; safe to share between threads.

    It reads the token file again when the service refuses the token: each start of the service makes a new one.

    Args:
        url: base URL of the inference API.
        token_file: holds the inference token.
        connections: number of connections that stay open.
        connect_seconds: time limit for a connection attempt.
        call_seconds: time limit for a whole call.
        describe_seconds: time limit for a whole :meth:`describe`; ``call_seconds`` if None.
    """

    def __init__(
        self,
        url: str,
        token_file: Path,
        connections: int,
        connect_seconds: float,
        call_seconds: float,
        describe_seconds: float | None = None,
    ) -> None:
        self.url = f"{url.rstrip('/')}/predictions/{MODEL_NAME}"
        self.token_file = token_file
        self._call_seconds = call_seconds
        self._describe_seconds = describe_seconds or call_seconds
        self._transport = Transport(url, connections, connect_seconds)
        self._lock = threading.Lock()
        self._token: str | None = None

    def describe(self) -> ServedModel | ServiceFault:
        """Ask which model answers."""
        headers = {"Content-Type": "application/json"}
        reply = self._post("predictions", b'{"describe": true}', headers, self._describe_seconds)
        return reply if isinstance(reply, ServiceFault) else read_description(reply.status, reply.body)

    def classify(
        self,
        photo: bytes | bytearray,
        fingerprint: bool = False,
        picture: PictureWish | None = None,
        expected: str | None = None,
        probabilities: bool = False,
    ) -> Prediction | PhotoRejected | ServiceFault:
        """Classify one photo.

        Args:
            photo: encoded.
            fingerprint: request the fingerprint.
            picture: request the picture for the desk, always or only for a photo that needs a review.
            expected: the ordered categories, separated by commas; the decision is then about the order.
            probabilities: request the probabilities of all classes and of the outlier.
        """
        headers = dict(_PHOTO_TYPE)
        if fingerprint:
            headers["X-Fingerprint"] = "1"
        if picture is not None:
            headers["X-Picture"] = picture
        if expected is not None:
            headers["X-Expected-Category"] = expected
        if probabilities:
            headers["X-Probabilities"] = "1"
        return self._predict("predictions", photo, headers)

    def explain(self, photo: bytes | bytearray) -> Prediction | PhotoRejected | ServiceFault:
        """Classify one photo; the answer has the field ``heatmap`` as well."""
        return self._predict("explanations", photo, _PHOTO_TYPE)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _predict(
        self, endpoint: str, photo: bytes | bytearray, headers: Mapping[str, str]
    ) -> Prediction | PhotoRejected | ServiceFault:
        reply = self._post(endpoint, photo, headers, self._call_seconds)
        return reply if isinstance(reply, ServiceFault) else read_prediction(reply.status, reply.body)

    def _post(
        self, endpoint: str, body: bytes | bytearray, headers: Mapping[str, str], seconds: float
    ) -> Reply | ServiceFault:
        """Send a request; if the token is refused and the file has another one, send it again with that."""
        path = f"/{endpoint}/{MODEL_NAME}"
        try:
            while True:
                token = self._current_token()
                reply = self._transport.post(path, body, {**headers, "Authorization": f"Bearer {token}"}, seconds)
                if reply.status != 400 or b"InvalidKeyException" not in reply.body:
                    return reply
                if not self._renew_token(token):
                    break
        except NoReply as error:
            return ServiceFault(FaultKind.AWAY, str(error))
        except InvalidTokenFile as error:
            return ServiceFault(FaultKind.TOKEN, str(error))
        if not token:  # a service that is starting has not written its token yet
            return ServiceFault(FaultKind.AWAY, f"there is no token in {self.token_file}")
        return reply

    def _current_token(self) -> str:
        with self._lock:
            if self._token is None:
                self._token = read_token_file(self.token_file)
            return self._token

    def _renew_token(self, refused: str) -> bool:
        """Read the token again unless another thread did; return False if it is still the refused one."""
        with self._lock:
            if self._token == refused:
                self._token = read_token_file(self.token_file)
            return self._token != refused


class InvalidTokenFile(ValueError):
    """The token file holds something other than a token; the message does not show its content."""


def read_token_file(path: Path) -> str:
    """Read the token; an empty string while there is none.

    Raises:
        InvalidTokenFile: the file holds what no HTTP header can carry.
    """
    try:
        token = path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError:
        return ""  # the service may be starting; it refuses the request, and the file is read again
    if not re.fullmatch(r"[!-~]*", token):
        raise InvalidTokenFile(f"TORCHSERVE_TOKEN_FILE ({path}) must hold the inference token, nothing else")
    return token
