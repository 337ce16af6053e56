"""S3 by moto's server, SFTP by a real sshd, Google's and Azure's stores by emulators, and the line to them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from azure.storage.blob import BlobServiceClient
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client as GoogleClient
from moto.server import ThreadedMotoServer

from tests.integration.remote_sources.place import Place
from tests.support.batch_rig import BatchRig
from tests.support.emulators import azurite, find_azurite, gcs_emulator
from tests.support.relay import Line, line_to
from tests.support.ssh_server import SSHServer, find_sshd, run_sshd


@pytest.fixture(scope="package")
def s3() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "key", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3")
        yield client
        client.close()
        server.stop()


@pytest.fixture(scope="package")
def sshd() -> Iterator[SSHServer]:
    program = find_sshd()
    if program is None:
        pytest.skip("sshd is not installed (Debian: apt-get install openssh-server openssh-client)")
    with run_sshd(program) as server:
        yield server


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = f"returns-{abs(hash(request.node.nodeid))}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="package")
def azure() -> Iterator[Any]:
    program = find_azurite()
    if program is None:
        pytest.skip("Azurite is not installed (npm install --no-save azurite)")
    with azurite(program) as connection, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        with BlobServiceClient.from_connection_string(connection) as client:
            yield client


@pytest.fixture(scope="package")
def google() -> Iterator[Any]:
    with gcs_emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        anyone: Any = AnonymousCredentials  # not typed
        client = GoogleClient(project="test", credentials=anyone(), client_options={"api_endpoint": url})
        yield client
        client.close()


def azure_place(client: Any, name: str) -> Place:
    container = client.create_container(name)
    url = f"az://{name}/day 1"

    def remove(file: str) -> None:
        blob = container.get_blob_client(f"day 1/{file}")
        if blob.exists():
            blob.delete_blob()

    return Place(
        url,
        url,
        lambda file, data: container.upload_blob(f"day 1/{file}", data, overwrite=True),
        remove,
        lambda: {blob.name.removeprefix("day 1/") for blob in container.list_blobs()},
    )


def google_place(client: Any, name: str) -> Place:
    bucket = client.create_bucket(name)
    url = f"gs://{name}/day 1"

    def remove(file: str) -> None:
        blob = bucket.blob(f"day 1/{file}")
        if blob.exists():
            blob.delete()

    return Place(
        url,
        url,
        lambda file, data: bucket.blob(f"day 1/{file}").upload_from_string(data),
        remove,
        lambda: {blob.name.removeprefix("day 1/") for blob in client.list_blobs(name)},
    )


@pytest.fixture(params=["s3", "sftp"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    name = f"returns-{abs(hash(request.node.nodeid))}"
    if request.param == "az":
        yield azure_place(request.getfixturevalue("azure"), name)
        return
    if request.param == "gs":
        yield google_place(request.getfixturevalue("google"), name)
        return
    if request.param == "s3":
        s3, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
        url = f"s3://{bucket}/day 1"

        def names() -> set[str]:
            listed = s3.list_objects_v2(Bucket=bucket).get("Contents", ())
            return {entry["Key"].removeprefix("day 1/") for entry in listed}

        yield Place(
            url,
            url,
            lambda name, data: s3.put_object(Bucket=bucket, Key=f"day 1/{name}", Body=data),
            lambda name: s3.delete_object(Bucket=bucket, Key=f"day 1/{name}"),
            names,
        )
        return
    server: SSHServer = request.getfixturevalue("sshd")
    monkeypatch.setenv("HOME", str(server.home))
    folder = server.files / "day 1"
    folder.mkdir()

    def write(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        for each in (folder, *folder.rglob("*")):
            shutil.chown(each, server.user)

    shown = f"127.0.0.1:{server.port}{folder}"
    yield Place(
        f"sftp://{server.user}:s%40cret@{shown}/",
        f"sftp://{shown}",
        write,
        lambda name: (folder / name).unlink(missing_ok=True),
        lambda: {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()},
    )
    shutil.rmtree(folder)


@pytest.fixture
def rig(rig: BatchRig, place: Place) -> BatchRig:
    rig.environment["INBOX"] = place.url
    return rig


@pytest.fixture
def line(rig: BatchRig, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Line]:
    """What the run reads goes over it; what the test itself does there does not."""
    is_s3 = place.url.startswith("s3")
    port = urlsplit(os.environ["AWS_ENDPOINT_URL"] if is_s3 else place.url).port
    assert port is not None
    with line_to(port) as line:
        if is_s3:
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
        else:
            ssh = Path(shutil.copytree(Path(os.environ["HOME"]) / ".ssh", tmp_path / "home" / ".ssh"))
            known = ssh / "known_hosts"
            known.write_text(known.read_text().replace(f":{port} ", f":{line.port} "))
            monkeypatch.setenv("HOME", str(tmp_path / "home"))
            rig.environment["INBOX"] = place.url.replace(f":{port}/", f":{line.port}/")
        yield line
