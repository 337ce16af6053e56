"""URLs that are no source, and the listings of stores: fsspec's common interface, page by page."""

import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from batch_client.errors import SourceError, UsageError
from batch_client.sources.manifest import ManifestEntry, read_manifest
from batch_client.sources.object_store import ObjectStore
from batch_client.sources.open import open_source
from tests.integration.remote_sources.place import IGNORED


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("ftp://host/x", "ftp:// is no source"),
            ("s3://", "names no bucket"),
            ("s3://key:secret@bucket/x", "AWS_ACCESS_KEY_ID"),
            ("sftp://user:sec/ret@host/x", "special characters as %XX"),
            ("gs://bucket/x", "python -m tools.install gs"),
            ("az://container/x", "python -m tools.install az"),
        ],
    )
    def test_impossible_ones_are_refused(self, url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("gcsfs", "adlfs"):
            monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
        with pytest.raises(UsageError, match=words) as caught:
            open_source(url)
        assert "sec" not in str(caught.value)


def test_the_common_interface(tmp_path: Path) -> None:
    """Google's and Azure's stores are listed and read through it; here it is memory that answers."""
    fs = fsspec.filesystem("memory", skip_instance_cache=True)
    for name in ("b.jpg", "a/c.jpg", *IGNORED):
        fs.pipe_file(f"/bucket/day/{name}", name.encode())
    fs.pipe_file("/bucket/day/manifest.csv", b"filename,return_id\nb.jpg,R-1\n")
    store = ObjectStore("gs://bucket/day", "bucket/day", fs)
    read = {file.filename: b"".join(file.chunks()) for file in store.files()}
    assert read == {"a/c.jpg": b"a/c.jpg", "b.jpg": b"b.jpg"}
    assert read_manifest(store, ()).entry("b.jpg") == ManifestEntry("R-1")
    for file in store.files():
        file.unlink()
    store.close()
    empty = ObjectStore("gs://bucket/nothing", "bucket/nothing", fs)
    assert list(empty.files()) == []
    empty.close()
    with pytest.raises(SourceError, match="is no folder"):
        ObjectStore("gs://elsewhere/day", "elsewhere/day", fs).files()


def test_a_long_listing_comes_page_by_page(s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    for number in range(25):
        s3.put_object(Bucket=bucket, Key=f"{number:02}.jpg", Body=b"x")
    assert s3.list_objects_v2(Bucket=bucket)["IsTruncated"]
    source = open_source(f"s3://{bucket}")
    assert [file.filename for file in source.files()] == [f"{number:02}.jpg" for number in range(25)]
    source.close()
