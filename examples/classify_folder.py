"""Send each photo of a folder to the service and print one line for each.

Usage: TOKEN=$(make -s token) python examples/classify_folder.py FOLDER
"""

import os
import sys
import time
from pathlib import Path

import requests

URL = os.environ.get("URL", "http://127.0.0.1:8080") + "/predictions/refund_classifier"
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/octet-stream"}
ATTEMPTS = 5


def classify(session: requests.Session, photo: Path) -> str:
    """Return what the service says about a photo. A 5xx is a fault of the service, so the photo is sent again."""
    for attempt in range(ATTEMPTS):
        answer = session.post(URL, data=photo.read_bytes(), headers=HEADERS, timeout=(5, 60))
        if answer.status_code < 500:
            break
        time.sleep(float(answer.headers.get("Retry-After", 2**attempt)))
    body = answer.json()
    if answer.ok:
        return f"{body['decision']} {body['predicted_class']} {body['confidence']:.3f}"
    error = body.get("error", body)  # errors of TorchServe itself have no "error"
    return f"failed {error['code']}: {error['message']}"


if __name__ == "__main__":
    with requests.Session() as session:  # one connection for all photos
        session.trust_env = False  # a proxy for the outside world must not get the photos
        for path in sorted(Path(sys.argv[1]).iterdir()):
            if path.is_file():
                print(f"{path.name}\t{classify(session, path)}", flush=True)
