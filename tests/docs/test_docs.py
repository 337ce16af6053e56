"""What the documents promise is what the code does."""

import json
import re
import subprocess

import pytest
import yaml
from pydantic_settings import BaseSettings

from batch_client.cli import app
from batch_client.exit_codes import ExitCode
from batch_client.pipeline.photo import LARGEST_PHOTO
from batch_client.settings import BatchSettings
from handler import metrics
from handler import settings as handler_settings
from handler.errors import ErrorCode
from serving import settings as serving_settings
from tests.conftest import ROOT
from tests.docs.error_codes import described_codes, tabled_codes
from tests.docs.settings_table import settings_rows
from tests.support.documents import README, documents, page, section
from web.cli import app as web_app
from web.http.uploads import LARGEST_PHOTO as LARGEST_UPLOAD
from web.settings import WebSettings

PROPERTIES = dict(
    line.split("=", 1)
    for line in (ROOT / "config.properties").read_text(encoding="utf-8").splitlines()
    if "=" in line and not line.startswith("#")
)


def test_every_error_code_is_in_the_docs() -> None:
    assert {code for code in ErrorCode if f"`{code}`" not in page("prediction-api")} == set()


def test_every_error_code_has_the_status_that_the_docs_list() -> None:
    ours = {(str(code.status.value), str(code)) for code in ErrorCode}
    assert ours - tabled_codes(page("prediction-api")) == set()


def test_docs_and_openapi_list_the_same_errors() -> None:
    described = described_codes(ROOT / "openapi.yaml")
    assert ("400", "truncated_image") in described
    assert ("503", "ServiceUnavailableException") in described
    assert tabled_codes(page("prediction-api")) == described


def test_every_metric_is_declared_and_in_the_docs() -> None:
    declared = yaml.safe_load((ROOT / "serving" / "metrics.yaml").read_text(encoding="utf-8"))["model_metrics"]
    dimensions = {metric["name"]: metric["dimensions"] for kind in declared.values() for metric in kind}
    assert dimensions.keys() == set(metrics.NAMES)
    rows = [line for line in page("monitoring").splitlines() if line.startswith("| `refund_")]
    for name, labels in dimensions.items():
        row = next((line for line in rows if f"`{name}`" in line), "")
        assert [label for label in labels if f"`{label}`" not in row] == [], name


def test_every_exit_code_is_in_the_docs() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", page("batch-client"), flags=re.MULTILINE)}
    returned = {code for code in ExitCode if re.search(rf"ExitCode\.{code.name}\b", _sources("batch_client"))}
    assert {int(code) for code in returned} | {ExitCode.OK, ExitCode.BUG} <= listed


@pytest.mark.parametrize(("program", "heading"), [(BatchSettings, "Batch client"), (WebSettings, "Review desk")])
def test_every_setting_is_in_the_table_of_its_program_with_its_default(
    program: type[BaseSettings], heading: str
) -> None:
    table = section(page("configuration"), heading)
    assert [row for row in settings_rows(program) if row not in table] == []


def test_every_variable_of_the_service_and_the_installer_is_in_the_docs() -> None:
    names = re.findall(r"environment\.get\(\"([A-Z_]+)\"", _sources("serving") + _sources("tools"))
    assert {"SERVING_STATE", "MODEL_STORE"} <= set(names)
    assert {name for name in names if f"`{name}`" not in page("configuration")} == set()


def test_every_command_is_in_the_docs() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {"run", "runs", "show", "export", "retry-failed", "verify", "purge", "schedule"} <= names
    assert {name for name in names if f"`batch-client {name}" not in page("batch-client")} == set()


def test_every_command_of_the_desk_is_in_the_docs() -> None:
    names = {command.name or command.callback.__name__ for command in web_app.registered_commands if command.callback}
    assert {"serve", "add-user", "export-training"} <= names
    assert {name for name in names if f"`.venv/bin/python -m web {name}" not in page("desk")} == set()


def test_every_error_code_of_the_desk_is_in_the_docs() -> None:
    codes = set(re.findall(r"WebError\(\s*\d+,\s*\"(\w+)\"|\"code\": \"(\w+)\"", _sources("web")))
    named = {code for pair in codes for code in pair if code}
    assert {"already_reviewed", "service_away", "wrong_host", "csrf"} <= named
    assert {code for code in named if f"`{code}`" not in section(page("prediction-api"), "The desk's API")} == set()


def test_documents_are_complete_and_their_links_lead_somewhere() -> None:
    assert len(documents()) >= 15
    for path in documents():
        content = path.read_text(encoding="utf-8")
        assert "@@" not in content, f"{path} has a place that was not filled in"
        for link in re.findall(r"\]\(([^)#:]+)\)", content):
            assert (path.parent / link).exists(), f"{path} links to {link}"


def test_model_card_and_readme_quote_the_measured_figures() -> None:
    figures = json.loads((ROOT / "model" / "figures.json").read_text(encoding="utf-8"))["test"]
    card = (ROOT / "model" / "README.md").read_text(encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    for domain in ("catalog", "wild"):
        measured = figures[domain]
        for name in ("top1", "top3", "accepted_share"):
            for document in (card, readme):
                assert f"{measured[name] * 100:.1f}%" in document, (domain, name)
    version = json.loads((ROOT / "model" / "contract.json").read_text(encoding="utf-8"))["model_version"]
    assert card.startswith(f"# Model card: refund-classifier {version}\n")


def test_the_guide_to_the_desk_lists_the_categories() -> None:
    classes = json.loads((ROOT / "model" / "contract.json").read_text(encoding="utf-8"))["classes"]
    text = " ".join(section(page("desk"), "The 27 categories").split())
    assert text.startswith(", ".join(sorted(classes)) + ".")


def test_make_help_lists_every_public_target() -> None:
    helped = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "serve", "stop", "batch", "web", "export", "token", "test", "check", "fix", "train", "bench"):
        assert re.search(rf"^{target}\s+\S", helped, flags=re.MULTILINE), target


def test_another_build_of_torch_is_installed_when_it_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH", raising=False)

    def would_do(*variables: str) -> str:
        command = ["make", "-n", "-o", ".venv/.created", ".venv/.run", *variables]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "tools.install" not in would_do()
    assert "tools.install serving batch" in would_do("TORCH=no-such-build")


def test_ports_names_and_sizes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TS_INFERENCE_ADDRESS", "TORCHSERVE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ROOT)
    serving = serving_settings.from_environment({})
    for program in (BatchSettings(), WebSettings()):
        assert str(program.torchserve_url).rstrip("/") == serving.inference == PROPERTIES["inference_address"]
        assert program.torchserve_token_file.resolve() == serving.token_file
    assert BatchSettings().media_dir == WebSettings().media_dir
    assert BatchSettings().results_db == WebSettings().results_db
    assert PROPERTIES["load_models"] == serving.archive.name
    config = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
    limits = handler_settings.from_yaml(config).limits
    assert limits.max_bytes < int(PROPERTIES["max_request_size"]), "our own message must be able to answer"
    assert limits.max_bytes == LARGEST_PHOTO == LARGEST_UPLOAD
    assert config["jobQueueSize"] == int(PROPERTIES["job_queue_size"])
    assert serving.metrics_config == ROOT / PROPERTIES["metrics_config"]
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"][0]
    assert scraped["static_configs"][0]["targets"] == [serving.metrics.removeprefix("http://")]
    used = re.findall(r'up{job=\\?"([\w-]+)', "".join(path.read_text() for path in (ROOT / "deploy").iterdir()))
    assert set(used) == {scraped["job_name"]}
    api = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    assert api["servers"] == [{"url": serving.inference}]
    assert f"/predictions/{serving.archive.stem}" in api["paths"]
    form = api["components"]["requestBodies"]["Photos"]["content"]["multipart/form-data"]["schema"]
    assert form["maxProperties"] == limits.max_photos + 1, "and the text field expected_category"


def test_every_frontend_key_is_written_out() -> None:
    """A key that is missing falls back to the engine's own default as soon as there is a file."""
    config = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
    keys = ("minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout")
    assert all(config[key] > 0 for key in (*keys, "maxRetryTimeoutInSec", "jobQueueSize"))


def test_doors_stay_closed() -> None:
    assert PROPERTIES["disable_token_authorization"] == "false"
    assert PROPERTIES["allowed_urls"] == "file:///nonexistent/.*"
    assert int(PROPERTIES["token_expiration_min"]) > 60 * 24 * 365
    for key in ("inference_address", "management_address", "metrics_address"):
        assert PROPERTIES[key].startswith("http://127.0.0.1:")


def _sources(room: str) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (ROOT / room).rglob("*.py"))
