"""A service that answers every photo immediately, to measure the batch client alone.

``python -m benchmarks.stub_service`` prints its port, then serves until a signal. It reads no photo: whatever the body
holds, the answer is the same, in the shape of the prediction API; only the fingerprint is another each time.
"""

import asyncio
import base64
import json
import random

_MODEL = {"model_version": "1.0.0", "contract_version": "1"}
_DESCRIPTION = {**_MODEL, "classes": ["Socks", "Belts"], "input_size": 112, "graph": "none", "device": "cpu"}
_PREDICTION = {
    "predicted_class": "Socks",
    "confidence": 0.9,
    "decision": "accept",
    "top": [{"class": "Socks", "probability": 0.9}],
    **_MODEL,
}


def _prediction() -> dict[str, object]:
    miniature = base64.b64encode(random.randbytes(8 * 8 * 3)).decode("ascii")
    return {**_PREDICTION, "fingerprint": {"dhash": random.randbytes(8).hex(), "miniature": miniature}}


def _encoded(answer: dict[str, object]) -> bytes:
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """The connection of one client."""

    def __init__(self) -> None:
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self._received) < end + 4 + length:
                return
            del self._received[: end + 4 + length]
            self._transport.write(_encoded(_DESCRIPTION if b"application/json" in head else _prediction()))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
