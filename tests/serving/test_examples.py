"""The example client against the real service."""

import subprocess
import sys

from tests.conftest import ROOT
from tests.serving.conftest import ServiceUnderTest
from tests.support.drawn_photos import SAMPLES


def test_the_client_classifies_the_samples(service: ServiceUnderTest) -> None:
    environment = {**service.environment, "URL": service.url, "TOKEN": service.token}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "classify_folder.py"), str(SAMPLES)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = dict(line.split("\t") for line in done.stdout.splitlines())
    assert lines.keys() == {path.name for path in SAMPLES.iterdir() if path.is_file()}
    assert lines["jeans.jpg"].startswith("accept Jeans ")
    assert all(line.startswith(("accept ", "review ")) for name, line in lines.items() if name.endswith(".jpg"))
