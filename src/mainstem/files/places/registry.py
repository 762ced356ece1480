"""Which file knows which kind of place. It is imported when such a connection is opened, not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from mainstem.connections import Connection
from mainstem.errors import ConfigError, ConnectionConfigError
from mainstem.files.places.base import Place

__all__ = ["PLACES", "open_place"]

# The connection's type → the module beside this one, and the class in it.
PLACES: Mapping[str, tuple[str, str]] = {
    "file": ("local", "Local"),
    "s3": ("object_store", "S3"),
    "gcs": ("object_store", "Gcs"),
    "azure": ("object_store", "Azure"),
    "sftp": ("sftp", "Sftp"),
    "http": ("http", "Http"),
    "stdin": ("std", "Std"),
    "stdout": ("std", "Std"),
}


def open_place(connection: Connection) -> Place:
    """Make the place that a connection is for. It is reached at its first use.

    Raises:
        ConnectionConfigError: The connection is for no place of files, or a property is missing or wrong.
        ConfigError: What reaches such places is not installed.
    """
    if connection.type not in PLACES:
        raise ConnectionConfigError(
            f"Connection {connection.name} has the type {connection.type!r}, which is no place for files.",
            hint=f"Those are {', '.join(PLACES)}.",
        )
    module_name, class_name = PLACES[connection.type]
    try:
        module = importlib.import_module(f"mainstem.files.places.{module_name}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"What reaches {connection.type} connections is not installed (no module {error.name}).",
            hint="pip install 'mainstem[files]'",
        ) from error
    found: type[Place] = getattr(module, class_name)
    return found(connection)
