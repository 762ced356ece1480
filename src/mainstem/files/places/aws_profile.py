"""Credentials for S3 from a profile of the files that Amazon's tools share."""

from __future__ import annotations

import configparser
import importlib
import os
from pathlib import Path
from typing import Any

from mainstem.errors import ConnectionConfigError

__all__ = ["profile_credentials"]

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
# With one of these, the environment says who asks, unless a profile is named.
_SAID_BY_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)


def profile_credentials(connection: str, profile: str | None) -> dict[str, Any]:
    """Return what a profile says, as obstore's configuration.

    Args:
        connection: The connection's name, for messages.
        profile: The profile that the connection names; ``None``: that of ``AWS_PROFILE``, else the default
            one, where nothing else in the environment says who asks.

    Raises:
        ConnectionConfigError: The profile is not there, or needs a library that is not installed.
    """
    named = profile or os.environ.get("AWS_PROFILE")
    if not named and any(os.environ.get(key) for key in _SAID_BY_ENVIRONMENT):
        return {}
    found = _profile(named or "default")
    if found is None:
        if named:
            raise ConnectionConfigError(
                f"Connection {connection}: there is no AWS profile {named!r}.",
                hint="Is it in the credentials file, or in the one of AWS_SHARED_CREDENTIALS_FILE?",
            )
        return {}
    config = {ours: found[theirs] for theirs, ours in _KEYS.items() if found.get(theirs)}
    if "access_key_id" not in config and named:
        config["credential_provider"] = _provider(connection, named)
    return config


def _profile(name: str) -> dict[str, str] | None:
    """A profile's keys from both files; ``None`` where neither has it."""
    credentials = _read("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    config = _read("AWS_CONFIG_FILE", "config")
    sections = ((config, "default" if name == "default" else f"profile {name}"), (credentials, name))
    found = [dict(parser[section]) for parser, section in sections if parser.has_section(section)]
    return {key: value for part in found for key, value in part.items()} if found else None


def _read(variable: str, name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="")
    path = Path(os.environ.get(variable) or Path("~/.aws") / name).expanduser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        # The parser's own words would show the line, which may be a key.
        raise ConnectionConfigError(f"{path} cannot be read: {type(error).__name__}.") from None
    return parser


def _provider(connection: str, profile: str) -> Any:
    """What asks for credentials again and again, as for single sign-on or a role."""
    try:
        boto3 = importlib.import_module("boto3")
        auth = importlib.import_module("obstore.auth.boto3")
    except ModuleNotFoundError as error:
        raise ConnectionConfigError(
            f"Connection {connection}: the AWS profile {profile!r} holds no keys; it has to ask for them.",
            hint="pip install boto3",
        ) from error
    return auth.Boto3CredentialProvider(boto3.Session(profile_name=profile))
