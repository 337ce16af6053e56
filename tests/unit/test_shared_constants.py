"""Values that several rooms need: no room may import the other, so each has its own, and they must be the same."""

import re
from typing import Any

import yaml

import batch_client.pipeline.photo
import export.archive
import handler.drain
import service_client.client
import serving.drain
import serving.settings
import web.http.uploads
from tests.conftest import ROOT

MODEL_CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
PROPERTIES = (ROOT / "config.properties").read_text(encoding="utf-8")
LARGEST_PHOTO = int(MODEL_CONFIG["limits"]["max_bytes"])


def test_the_name_of_the_model() -> None:
    names = {export.archive.MODEL_NAME, serving.settings.MODEL_NAME, service_client.client.MODEL_NAME}
    assert names == {"refund_classifier"}
    assert f"load_models={export.archive.ARCHIVE_NAME}\n" in PROPERTIES
    caddy = (ROOT / "examples" / "Caddyfile").read_text(encoding="utf-8")
    assert f"path /predictions/{serving.settings.MODEL_NAME}\n" in caddy


def test_the_variable_that_names_the_drain_sign() -> None:
    assert handler.drain.VARIABLE == serving.drain.VARIABLE


def test_the_largest_photo() -> None:
    assert batch_client.pipeline.photo.LARGEST_PHOTO == web.http.uploads.LARGEST_PHOTO == LARGEST_PHOTO
    caddy = (ROOT / "examples" / "Caddyfile").read_text(encoding="utf-8")
    assert f"max_size {LARGEST_PHOTO // 1_000_000}MB # as in handler/model-config.yaml\n" in caddy


def test_a_request_with_the_largest_photo_fits_the_engine() -> None:
    found = re.search(r"^max_request_size=(\d+)$", PROPERTIES, re.MULTILINE)
    assert found is not None
    assert int(found[1]) > LARGEST_PHOTO
