"""S3, Google Cloud Storage and Azure Blob Storage, through obstore."""

from __future__ import annotations

import queue
import re
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from io import BufferedReader
from typing import Any, BinaryIO, ClassVar

import obstore
import obstore.store
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.errors import ConnectError, ConnectionConfigError, EndpointError, RelationNotFoundError
from mainstem.files.places.aws_profile import profile_credentials
from mainstem.files.places.base import AtomicWriter, FileInfo, Place
from mainstem.files.places.ranged import RangeReader

__all__ = ["S3", "Azure", "Gcs"]

# Its stubs have a class for each form of each argument.
_obstore: Any = obstore
_stores: Any = obstore.store

_PART = 8 * 1024 * 1024
_READ_AHEAD = 1024 * 1024
_PARTS_WAITING = 2
_NO_BUCKET = "<Code>NoSuchBucket</Code>"
_RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
# What the client said of it, after all its own tries.
_UNREACHABLE = (
    *("error sending request", "connect error", "dns error", "timed out", "connection closed"),
    *("connection reset", "error decoding response body", "request or response body", "after 4 retries"),
)
# A signature may be a part of an address.
_QUERY = re.compile(r"\?[^\s\"')]*")


class ObjectStore(Place):
    """A bucket or container. Objects are replaced as a whole, when the last part has arrived."""

    scheme: ClassVar[str]
    versioned: ClassVar[bool] = True
    bucket_key: ClassVar[str] = "bucket"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._bucket = connection.required(self.bucket_key)
        self._root = "".join(f"{part}/" for part in (connection.text("path") or "").split("/") if part)

    @abstractmethod
    def make_store(self) -> Any:
        """Make obstore's own object."""

    @cached_property
    def _store(self) -> Any:
        with self._told(None):
            return self.make_store()

    @property
    def address(self) -> str:
        """The URL of the bucket, with its slash."""
        return f"{self.scheme}://{self._bucket}/"

    def addresses(self) -> tuple[str, ...]:
        """Other ways in which the bucket's URL is written."""
        return (self.address,)

    @override
    def without_url(self, path: str) -> str:
        for address in self.addresses():
            if f"{path}/" == address:
                path = address
            if path.startswith(address):
                return self._from_root(path[len(address) :], path)
        if "://" in path:
            raise EndpointError(
                f"{_QUERY.sub('', path)} is not in {self.address}, which connection {self.connection.name}"
                " is for."
            )
        return path

    def _from_root(self, key: str, whole: str) -> str:
        if f"{key.rstrip('/')}/" == self._root:
            return ""
        if not key.startswith(self._root):
            raise EndpointError(
                f"{whole} is outside of {self.address}{self._root}, which connection"
                f" {self.connection.name} is for."
            )
        return key[len(self._root) :]

    @override
    def url(self, path: str) -> str:
        return f"{self.address}{self._root}{path}"

    @override
    def entries(self, folder: str, *, deep: bool) -> Iterator[FileInfo]:
        prefix = self._root + folder
        with self._told(folder):
            if not deep:
                found = _obstore.list_with_delimiter(self._store, prefix or None)
                yield from (FileInfo(f"{self._relative(name)}/") for name in found["common_prefixes"])
                yield from self._files(found["objects"], prefix)
                return
            for chunk in _obstore.list(self._store, prefix or None):
                yield from self._files(chunk, prefix)

    def _files(self, objects: Any, prefix: str) -> Iterator[FileInfo]:
        for found in objects:
            # Some tools mark a folder by an object of its name, of no bytes.
            mark = found["size"] == 0 and "." not in found["path"].rsplit("/", 1)[-1]
            if found["path"].startswith(prefix) and not mark:
                yield FileInfo(self._relative(found["path"]), found["size"], found["last_modified"])

    def _relative(self, key: str) -> str:
        return key[len(self._root) :]

    @override
    def info(self, path: str) -> FileInfo | None:
        with self._told(path):
            try:
                found = _obstore.head(self._store, self._root + path)
            except (NotFoundError, FileNotFoundError):
                return None
        return FileInfo(path, found["size"], found["last_modified"])

    @override
    def open_file(self, path: str) -> BinaryIO:
        key = self._root + path
        with self._told(path):
            head = _obstore.head(self._store, key)
        # What is read is one version of the object, even where it is replaced meanwhile.
        options = {"if_match": head["e_tag"]} if head["e_tag"] else {}

        def fetch(start: int, end: int) -> bytes:
            with self._told(path):
                found = _obstore.get(self._store, key, options={**options, "range": (start, end)})
                return bytes(found.bytes())

        return BufferedReader(RangeReader(head["size"], fetch), _READ_AHEAD)

    @override
    def write_file(self, path: str) -> AtomicWriter:
        return _ObjectWriter(self, path)

    def upload(self, path: str, parts: Iterator[bytes]) -> None:
        """Upload an object in parts. An error of the iterator's gives it up."""
        with self._told(path):
            _obstore.put(
                self._store, self._root + path, parts, use_multipart=True, chunk_size=_PART, max_concurrency=4
            )

    @override
    def delete_file(self, path: str) -> None:
        with self._told(path):
            try:
                _obstore.delete(self._store, self._root + path)
            except (NotFoundError, FileNotFoundError):
                return

    def client_options(self) -> Any:
        """How obstore's client connects."""
        endpoint = self.connection.text("endpoint") or ""
        return {
            "connect_timeout": timedelta(seconds=10),
            "timeout": timedelta(seconds=120),
            "allow_http": endpoint.startswith("http://"),
        }

    @contextmanager
    def _told(self, path: str | None) -> Iterator[None]:
        """Say in our words what the store refused."""
        where = self.address if path is None else self.url(path)
        try:
            yield
        except (NotFoundError, FileNotFoundError) as error:
            raise RelationNotFoundError(
                f"{where} is not there.", hint="Are bucket, path and region right?"
            ) from error
        except PreconditionError as error:
            raise EndpointError(
                f"{where} was replaced while it was read. Nothing was published.",
                hint="Run the stream again.",
                transient=True,
            ) from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise ConnectError(
                f"{where}: the store refused the credentials of connection {self.connection.name}.",
                hint="May they list, read and write here? Are they of this region and endpoint?",
            ) from error
        except (BaseError, OSError, ValueError) as error:
            if _NO_BUCKET in str(error):
                raise RelationNotFoundError(
                    f"{where} is not there.", hint="Are bucket, path and region right?"
                ) from error
            raise _failure(where, error) from error


class S3(ObjectStore):
    """Amazon S3, or what speaks like it at the connection's `endpoint`."""

    scheme = "s3"

    @override
    def addresses(self) -> tuple[str, ...]:
        return (self.address, f"s3a://{self._bucket}/")

    @override
    def make_store(self) -> Any:
        given = self.connection
        if given.text("role_arn"):
            raise ConnectionConfigError(
                f"Connection {given.name}: 'role_arn' is not supported yet.",
                hint="Name a `profile` that takes the role, and install boto3.",
            )
        keys = ("access_key_id", "secret_access_key", "session_token", "region", "endpoint")
        said = {key: value for key in keys if (value := given.text(key))}
        found = {} if "access_key_id" in said else profile_credentials(given.name, given.text("profile"))
        config = {**found, **said}
        provider = config.pop("credential_provider", None)
        if given.text("url_style"):
            config["virtual_hosted_style_request"] = str(
                given.text("url_style") in ("vhost", "virtual")
            ).lower()
        return _stores.S3Store(
            self._bucket,
            config=config,
            client_options=self.client_options(),
            retry_config=_RETRIES,
            credential_provider=provider,
        )


class Gcs(ObjectStore):
    """Google Cloud Storage."""

    scheme = "gs"

    @override
    def addresses(self) -> tuple[str, ...]:
        return (self.address, f"gcs://{self._bucket}/")

    @override
    def make_store(self) -> Any:
        names = {"key_file": "service_account_path", "key_body": "service_account_key"}
        return _stores.GCSStore(
            self._bucket,
            config=_renamed(self.connection, names),
            client_options=self.client_options(),
            retry_config=_RETRIES,
        )


class Azure(ObjectStore):
    """Azure Blob Storage and Data Lake Storage."""

    scheme = "azure"
    bucket_key = "container"

    @property
    @override
    def address(self) -> str:
        account = self.connection.text("account") or ""
        return f"https://{account}.blob.core.windows.net/{self._bucket}/"

    @override
    def addresses(self) -> tuple[str, ...]:
        account = self.connection.text("account") or ""
        lake = (f"{scheme}://{self._bucket}@{account}.dfs.core.windows.net/" for scheme in ("abfs", "abfss"))
        return (self.address, *lake, f"azure://{self._bucket}/", f"az://{self._bucket}/")

    @override
    def make_store(self) -> Any:
        names = {
            "account": "account_name",
            "account_key": "account_key",
            "client_id": "client_id",
            "client_secret": "client_secret",
            "tenant_id": "tenant_id",
            "endpoint": "endpoint",
        }
        config = {**_connection_string(self.connection), **_renamed(self.connection, names)}
        signed = (self.connection.text("sas_svc_url") or "").partition("?")[2] or self.connection.text(
            "sas_token"
        )
        if signed:
            config["sas_key"] = signed.removeprefix("?")
        return _stores.AzureStore(
            self._bucket, config=config, client_options=self.client_options(), retry_config=_RETRIES
        )


def _renamed(connection: Connection, names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: value for key, ours in names.items() if (value := connection.text(key))}


def _connection_string(connection: Connection) -> dict[str, Any]:
    """The parts of Azure's own connection string that say who asks."""
    given = connection.text("conn_str") or ""
    parts = dict(part.split("=", 1) for part in given.split(";") if "=" in part)
    names = {"AccountName": "account_name", "AccountKey": "account_key", "BlobEndpoint": "endpoint"}
    found: dict[str, Any] = {ours: parts[key] for key, ours in names.items() if key in parts}
    if "SharedAccessSignature" in parts:
        found["sas_key"] = parts["SharedAccessSignature"]
    return found


class _GivenUpError(Exception):
    """Tells the upload that the file is not wanted any more."""


class _ObjectWriter(AtomicWriter):
    """Parts go up while they are written; the object is there when the upload is completed."""

    def __init__(self, place: ObjectStore, path: str) -> None:
        super().__init__()
        self._place = place
        self._path = path
        self._part = bytearray()
        # bytes: a part; True: complete the object; False: give it up.
        self._queue: queue.Queue[bytes | bool] = queue.Queue(_PARTS_WAITING)
        self._error: BaseException | None = None
        self._told_end = False
        self._thread = threading.Thread(target=self._upload, name="mainstem-upload", daemon=True)
        self._thread.start()

    def _upload(self) -> None:
        try:
            self._place.upload(self._path, self._parts())
        except _GivenUpError:
            return
        except BaseException as error:
            self._error = error
            while not self._told_end and isinstance(self._queue.get(), bytes):
                # So that nobody waits for room in the queue.
                continue

    def _parts(self) -> Iterator[bytes]:
        while True:
            part = self._queue.get()
            self._told_end = isinstance(part, bool)
            if part is True:
                return
            if part is False:
                raise _GivenUpError
            yield part

    @override
    def put(self, data: bytes) -> None:
        self._part += data
        while len(self._part) >= _PART:
            self._send(bytes(self._part[:_PART]))
            del self._part[:_PART]

    def _send(self, part: bytes) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(part)

    @override
    def finish(self) -> None:
        if self._part:
            self._send(bytes(self._part))
            self._part.clear()

    @override
    def show(self) -> None:
        self._end(completed=True)
        if self._error is not None:
            raise self._error

    @override
    def drop(self) -> None:
        self._end(completed=False)

    def _end(self, *, completed: bool) -> None:
        if self._thread.is_alive():
            self._queue.put(completed)
            self._thread.join()


def _failure(where: str, error: BaseException) -> EndpointError:
    """Say that the store is not to be reached, or that it said no."""
    message = f"{where}: {_first_line(error)}"
    if any(sign in str(error).lower() for sign in _UNREACHABLE):
        return ConnectError(message, hint="Is the store up? Run again.", transient=True)
    return EndpointError(message)


def _first_line(error: BaseException) -> str:
    """The store's own words, without an address's query, which may be a signature."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _QUERY.sub("", lines[0])
