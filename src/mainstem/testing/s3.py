"""A server on the loopback that speaks S3, for tests: moto's, in a thread of this process."""

from __future__ import annotations

import logging
import urllib.request
from types import TracebackType
from typing import Any
from uuid import uuid4

from moto.server import ThreadedMotoServer
from typing_extensions import Self

__all__ = ["EmbeddedS3"]


class EmbeddedS3:
    """An S3 server without any disk. Use it as a context manager.

    Example::

        with EmbeddedS3() as server:
            connection = server.connection(server.bucket())
    """

    def __init__(self) -> None:
        self._server: Any = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._endpoint = ""

    def start(self) -> None:
        """Start it. It answers when this returns."""
        # Its web framework tells of each request.
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self._endpoint = f"http://{host}:{port}"

    def stop(self) -> None:
        """Stop it; everything in it is gone."""
        self._server.stop()

    @property
    def endpoint(self) -> str:
        """Where it listens, as a connection's `endpoint` has it."""
        return self._endpoint

    def bucket(self) -> str:
        """Make a bucket that nobody else uses, and return its name."""
        name = f"bucket-{uuid4().hex[:12]}"
        self.request("PUT", name)
        return name

    def connection(self, bucket: str, path: str | None = None) -> dict[str, Any]:
        """The definition of a connection to a bucket."""
        return {
            "type": "s3",
            "bucket": bucket,
            "endpoint": self._endpoint,
            "access_key_id": "test_key",
            "secret_access_key": "test_secret",
            "region": "us-east-1",
            **({"path": path} if path else {}),
        }

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask the server itself, without any client's help."""
        request = urllib.request.Request(f"{self._endpoint}/{path}", data=body, method=method)  # noqa: S310
        # Without a type, it would be taken for a form.
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the loopback
            data: bytes = answer.read()
        return data

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
