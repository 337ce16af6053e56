"""The first commands of the documents do what they say."""

import json
import subprocess

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.documents import README, commands, page


def test_the_first_curl_of_each_page(service: ServiceUnderTest) -> None:
    text = README.read_text(encoding="utf-8") + page("getting-started") + page("prediction-api")
    with_make = [command for command in commands(text) if command.startswith("curl") and "make -s token" in command]
    assert len(with_make) >= 3
    for command in with_make:
        here = command.replace("http://127.0.0.1:8080", service.url)
        done = subprocess.run(
            ["bash", "-c", here], cwd=ROOT, env=service.environment, capture_output=True, text=True, check=True
        )
        assert "predicted_class" in json.loads(done.stdout)
