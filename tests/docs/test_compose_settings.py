"""The compose file passes on every setting of the programs but those that the images fix."""

from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from batch_client.settings import BatchSettings
from tests.conftest import ROOT
from web.settings import WebSettings

# Set in the Dockerfile: paths inside the container, and addresses of the other containers.
FIXED = {
    *("inbox", "processed_dir", "quarantine_dir", "media_dir", "log_dir", "web_dir", "web_host", "web_port"),
    *("torchserve_url", "torchserve_token_file"),
    "job_completion_index",  # set by Kubernetes
}
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("service", "settings"), [("batch", BatchSettings), ("web", WebSettings)])
def test_every_setting_that_an_image_does_not_fix_is_passed_on(service: str, settings: type[BaseSettings]) -> None:
    passed = {name.lower() for name in COMPOSE["services"][service]["environment"]}
    missing = settings.model_fields.keys() - FIXED - passed
    assert not missing, f"name them under services: {service}: environment: in docker-compose.yml"
    assert not passed & FIXED
