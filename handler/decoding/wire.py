"""Messages between the worker and a decoding child: a line of JSON and bytes, each with its length before it."""

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]
_LENGTHS = struct.Struct(">II")
_MOST_JSON_BYTES = 1 << 20


def send(connection: socket.socket, message: Message, content: bytes | bytearray | memoryview = b"") -> None:
    """Send a message.

    Raises:
        OSError: the other side is gone, or takes too long.
    """
    text = json.dumps(message).encode()
    connection.sendall(_LENGTHS.pack(len(text), len(content)) + text)
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[Message, bytearray]:
    """Receive a message and the bytes that came with it.

    Raises:
        EOFError: the other side is gone.
        TimeoutError: it takes too long.
    """
    text_length, length = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if text_length > _MOST_JSON_BYTES:
        raise EOFError("no message of this protocol")
    message: Message = json.loads(bytes(_exactly(connection, text_length)))
    return message, _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        received = connection.recv_into(view)
        if received == 0:
            raise EOFError("the other side is gone")
        view = view[received:]
    return content
