"""Load an unpacked archive in an isolated interpreter and print its predictions, and its logits by each graph.

:mod:`export.verify` runs this file.

Usage: python -I clean_process.py ARCHIVE_FOLDER PHOTOS.npy
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))

import numpy as np  # noqa: E402  (the archive must come first on the path)
from image_handler import ImageHandler  # type: ignore[import-not-found]  # noqa: E402
from PIL import Image  # noqa: E402

from handler.offline import Context  # noqa: E402
from handler.runtimes import runtime  # noqa: E402


def _png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


context = Context(folder)
image_handler = ImageHandler()
image_handler.initialize(context)
rows = [{"body": _png(photo)} for photo in np.load(sys.argv[2])]
answers = [json.loads(body) for body in image_handler.handle(rows, context)]
for index, status in context.statuses.items():
    if status != 200:
        raise SystemExit(f"row {index}: {status} {answers[index]}")
logits = {}
for graph in (image_handler.runtime.name, "openvino-f32", "torch-f32"):
    loaded = runtime.load(folder, image_handler.contract, image_handler.settings.threads, graph)
    logits[graph] = loaded.infer(np.load(sys.argv[2])).tolist()
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "handler" and not Path(str(module.__file__)).is_relative_to(folder):
        raise SystemExit(f"the archive carries no {name}: it was taken from {module.__file__}")
print(json.dumps({"graph": image_handler.runtime.name, "answers": answers, "logits": logits}))
