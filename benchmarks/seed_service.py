"""The baseline: the service that this project replaces, written anew and as fast as its description allows.

FastAPI in one uvicorn process, ``POST /predict/`` with a multipart file, one photo a call, one log line a call:
``python -m benchmarks.seed_service --port 8001 --graph frozen --endpoint def --threads 2``.
"""

import argparse
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, UploadFile

from benchmarks.seed_model import GRAPHS, SeedModel

ENDPOINTS = ("def", "async def")
log = logging.getLogger("seed")


def build_app(model: SeedModel, endpoint: str) -> FastAPI:
    """Build the service with its one endpoint as a plain function (run in a thread) or as a coroutine."""
    app = FastAPI()

    def classify(name: str | None, photo: bytes) -> dict[str, Any]:
        began = time.perf_counter()
        with torch.inference_mode():
            answer = model.classify(photo)
        log.info("%s: %s in %.1f ms", name, answer["predicted_class"], (time.perf_counter() - began) * 1e3)
        return {"filename": name, **answer}

    if endpoint == "def":

        @app.post("/predict/")
        def predict(file: UploadFile) -> dict[str, Any]:
            return classify(file.filename, file.file.read())

    else:

        @app.post("/predict/")
        async def predict_in_the_loop(file: UploadFile) -> dict[str, Any]:
            return classify(file.filename, await file.read())

    return app


def main() -> None:
    """Read the command line and serve until a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--graph", choices=GRAPHS, required=True)
    parser.add_argument("--endpoint", choices=ENDPOINTS, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # Built in a thread that ends: OpenMP's threads wait busily only while there are no more of them than cores, and
    # those that began here would stay. Without this the network takes 9 ms longer in the thread of a `def` endpoint.
    # Source: gcc, libgomp/team.c, gomp_team_start (gomp_managed_threads).
    with ThreadPoolExecutor(1) as builder:
        model = builder.submit(SeedModel, arguments.graph, arguments.threads).result()
    app = build_app(model, arguments.endpoint)
    # The access log of uvicorn would be a second line per call.
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
