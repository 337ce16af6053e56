"""Build the model archive: handler, graph and contract in a ``.mar``."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import handler
from export.graph import load_network, write_graph
from export.verify import verify
from handler import activation_ranges, checkpoint
from handler import contract as contracts

MODEL_NAME = "refund_classifier"
ARCHIVE_NAME = f"{MODEL_NAME}.mar"
_HANDLER_FOLDER = Path(handler.__file__).parent
_HANDLER_FILE = _HANDLER_FOLDER / "image_handler.py"
_MODEL_CONFIG = _HANDLER_FOLDER / "model-config.yaml"


def build(model_folder: Path, store: Path, candidate: bool = False) -> Path:
    """Build the archive of a model, verify it in a clean process, and put it into the store.

    Args:
        model_folder: holds ``checkpoint.safetensors``, ``contract.json`` and ``activation_ranges.json``.
        store: receives ``refund_classifier-VERSION.mar`` and a copy named ``refund_classifier.mar``, which the service
            loads at its start. Older files are replaced atomically.
        candidate: do not write that copy.

    Returns:
        The archive that the service loads at its start, or the candidate.

    Raises:
        FileNotFoundError, ValueError: a file is missing or does not fit the others.
        RuntimeError: the archive does not load, or its predictions differ from the checkpoint's, or the store holds
            another contract under the same versions.
    """
    contract = contracts.load(model_folder)
    network = load_network(model_folder, contract)
    ranges = activation_ranges.load(model_folder, contract.model_version)
    _refuse_reused_versions(contract, store / versioned_name(contract.model_version))
    store.mkdir(parents=True, exist_ok=True)
    # The work folder lies inside the store, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=store) as temporary:
        work = Path(temporary)
        staging = work / "staging"
        shutil.copytree(
            _HANDLER_FOLDER, staging / "handler", ignore=shutil.ignore_patterns("__pycache__", _MODEL_CONFIG.name)
        )
        shutil.copyfile(model_folder / contracts.FILE_NAME, staging / contracts.FILE_NAME)
        shutil.copyfile(model_folder / checkpoint.FILE_NAME, staging / checkpoint.FILE_NAME)
        write_graph(network, contract, ranges, staging)
        archive = _run_archiver(staging, work, contract.model_version)
        verify(archive, network, contract)
        if candidate:
            return archive.replace(store / versioned_name(contract.model_version))
        shutil.copyfile(archive, work / "copy")
        (work / "copy").replace(store / versioned_name(contract.model_version))
        return archive.replace(store / ARCHIVE_NAME)


def versioned_name(version: str) -> str:
    """Return the file name of the archive of one version."""
    return f"{MODEL_NAME}-{version}.mar"


def _refuse_reused_versions(contract: contracts.Contract, built: Path) -> None:
    """Refuse a changed contract under versions that are already in use: stored predictions could not be told apart.

    Raises:
        RuntimeError: the store has an archive with the same versions and other numbers.
    """
    try:
        _, earlier, _ = _contents_of(built)
    except (FileNotFoundError, ValueError):  # there is no archive yet, or the file is not one of ours and is replaced
        return
    if earlier != contract and earlier.contract_version == contract.contract_version:
        raise RuntimeError(
            f"{built} holds another contract.json under model version {contract.model_version} and contract version "
            f"{contract.contract_version}. Raise contract_version, so that photos are classified again."
        )


def _run_archiver(staging: Path, work: Path, version: str) -> Path:
    """Run torch-model-archiver. It works in ``TMPDIR/<model name>``, which two builds must not share."""
    scratch = work / "scratch"
    scratch.mkdir()
    command = [
        *(sys.executable, "-m", "model_archiver.model_packaging"),
        *("--model-name", MODEL_NAME, "--version", version),
        *("--handler", str(_HANDLER_FILE), "--config-file", str(_MODEL_CONFIG)),
        *("--extra-files", str(staging), "--export-path", str(work), "--force"),
    ]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"torch-model-archiver failed:\n{done.stdout}{done.stderr}")
    return work / ARCHIVE_NAME


def describe(archive: Path) -> dict[str, Any]:
    """Return the content of an archive: versions, classes, size and files.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a model archive of this project.
    """
    manifest, contract, names = _contents_of(archive)
    return {
        "model_name": manifest["model"]["modelName"],
        "model_version": contract.model_version,
        "contract_version": contract.contract_version,
        "created": manifest["createdOn"],
        "bytes": archive.stat().st_size,
        "input_size": contract.input_size,
        "classes": list(contract.classes),
        "files": [name for name in names if not name.endswith("/")],
    }


def _contents_of(archive: Path) -> tuple[dict[str, Any], contracts.Contract, list[str]]:
    """Read the manifest, the contract and the file names of an archive.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a model archive of this project.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"{archive} does not exist. Build it with `make export`.")
    try:
        with zipfile.ZipFile(archive) as packed:
            manifest = json.loads(packed.read("MAR-INF/MANIFEST.json"))
            contract = contracts.from_dict(json.loads(packed.read(contracts.FILE_NAME)))
            return manifest, contract, sorted(packed.namelist())
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{archive} is not a model archive of this project: {error}") from error
