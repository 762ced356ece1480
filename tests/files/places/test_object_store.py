from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.connections import Connection, connection_of
from mainstem.errors import ConnectError, ConnectionConfigError, EndpointError, RelationNotFoundError
from mainstem.files.places import Place, open_place
from mainstem.testing.conformance_places import PlaceConformance, put
from mainstem.testing.postgres import free_port
from mainstem.testing.s3 import EmbeddedS3


class TestBucket(PlaceConformance):
    @pytest.fixture
    def place(self, s3: EmbeddedS3) -> Iterator[Place]:
        with open_place(connection_of("MY_S3", s3.connection(s3.bucket()))) as place:
            yield place


class TestFolderOfABucket(PlaceConformance):
    @pytest.fixture
    def place(self, s3: EmbeddedS3) -> Iterator[Place]:
        bucket = s3.bucket()
        s3.request("PUT", f"{bucket}/elsewhere/a.csv", b"not to be seen")
        with open_place(connection_of("MY_S3", s3.connection(bucket, "lake/raw"))) as place:
            yield place


def test_an_upload_that_is_given_up_leaves_no_parts_behind(s3: EmbeddedS3) -> None:
    bucket = s3.bucket()
    place = open_place(connection_of("MY_S3", s3.connection(bucket)))
    writer = place.write("a.bin")
    writer.write(b"x" * 20_000_000)
    writer.finish()
    writer.abort()
    assert b"<Upload>" not in s3.request("GET", f"{bucket}?uploads")


def test_an_object_that_is_replaced_while_it_is_read_is_an_error_and_no_mixture(s3: EmbeddedS3) -> None:
    place = open_place(connection_of("MY_S3", s3.connection(s3.bucket())))
    put(place, "a.bin", b"1" * 20_000_000)
    with place.open("a.bin") as file:
        assert file.read(10) == b"1" * 10
        put(place, "a.bin", b"2" * 20_000_000)
        with pytest.raises(EndpointError, match=r"s3://.*/a\.bin was replaced while it was read"):
            file.read()


def test_marks_of_folders_are_no_files(s3: EmbeddedS3) -> None:
    bucket = s3.bucket()
    for key in ("in/", "in/a.csv", "in/deep/"):
        s3.request("PUT", f"{bucket}/{key}", b"")
    place = open_place(connection_of("MY_S3", s3.connection(bucket)))
    assert [one.path for one in place.list("in/")] == ["in/a.csv"]


def test_a_missing_bucket_is_told(s3: EmbeddedS3) -> None:
    with pytest.raises(RelationNotFoundError, match=r"s3://no-such-bucket/ is not there\. Are bucket"):
        open_place(connection_of("MY_S3", s3.connection("no-such-bucket"))).list("*")


def test_a_store_that_does_not_answer_is_told_without_the_keys() -> None:
    given = {"type": "s3", "bucket": "box", "access_key_id": "AKIAKEY", "secret_access_key": "sEcrEt"}
    place = open_place(connection_of("MY_S3", {**given, "endpoint": f"http://127.0.0.1:{free_port()}"}))
    with pytest.raises(ConnectError, match="s3://box/a") as caught:
        place.open("a.csv")
    assert "sEcrEt" not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_credentials_come_from_a_profile(
    s3: EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = one\naws_secret_access_key = two\n")
    (tmp_path / "config").write_text(f"[profile work]\nregion = eu-west-1\nendpoint_url = {s3.endpoint}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    connection = Connection(
        "MY_S3", "s3", {"bucket": s3.bucket(), "profile": "work", "endpoint": s3.endpoint}
    )
    put(open_place(connection), "a.csv", b"x")
    with pytest.raises(ConnectionConfigError, match="there is no AWS profile 'other'"):
        open_place(Connection("MY_S3", "s3", {"bucket": "box", "profile": "other"})).list("*")


def test_credentials_come_from_the_environment(s3: EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "one")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "two")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    connection = Connection("MY_S3", "s3", {"bucket": s3.bucket(), "endpoint": s3.endpoint})
    put(open_place(connection), "a.csv", b"x")
    assert open_place(connection).exists("a.csv")


def test_a_bucket_is_named_by_its_url(s3: EmbeddedS3) -> None:
    bucket = s3.bucket()
    place = open_place(connection_of("MY_S3", s3.connection(bucket, "lake/")))
    put(place, f"s3://{bucket}/lake/a.csv", b"x")
    assert [place.url(found.path) for found in place.list("*")] == [f"s3://{bucket}/lake/a.csv"]
    with pytest.raises(EndpointError, match="which connection MY_S3 is for"):
        place.open(f"s3://{bucket}/other/a.csv")


@pytest.mark.parametrize(
    ("given", "url", "elsewhere"),
    [
        (
            {"type": "azure", "account": "acct", "container": "box", "account_key": "a2V5"},
            "https://acct.blob.core.windows.net/box/in/a.csv",
            "abfss://box@acct.dfs.core.windows.net/in/a.csv",
        ),
        (
            {
                "type": "azure",
                "account": "acct",
                "container": "box",
                "sas_svc_url": "https://x/y?sv=1&sig=s3cr3t",
            },
            "https://acct.blob.core.windows.net/box/in/a.csv",
            "azure://box/in/a.csv",
        ),
        ({"type": "gcs", "bucket": "box"}, "gs://box/in/a.csv", "gcs://box/in/a.csv"),
    ],
)
def test_the_urls_of_the_other_stores(given: dict[str, str], url: str, elsewhere: str) -> None:
    place = open_place(connection_of("STORE", given))
    assert place.url("in/a.csv") == url
    assert place.checked(url) == place.checked(elsewhere) == "in/a.csv"
    assert "s3cr3t" not in place.url("in/a.csv")


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    given = {"type": "gcs", "bucket": "box", "key_file": str(tmp_path / "key.json")}
    with pytest.raises(EndpointError, match="gs://box/"):
        open_place(connection_of("MY_GCS", given)).list("*")
