"""The properties of a connection, in the driver's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mainstem.connections import Connection
from mainstem.errors import ConnectionConfigError

__all__ = ["driver_options", "folded", "place_of"]

_DOMAINS = (".snowflakecomputing.com", ".snowflakecomputing.cn")
_CLIENT = "adbc.snowflake.sql.client_option"
_LOGIN_SECONDS = "60"
_REQUEST_SECONDS = "300"

# What a session of ours is like, whatever the account's or the user's defaults are: no limit cuts a result,
# quoted names keep their case, texts of moments are read as ISO 8601, a lock is waited for no longer than a
# minute. https://docs.snowflake.com/en/sql-reference/parameters
_SESSION: Mapping[str, str] = {
    "AUTOCOMMIT": "true",
    "BINARY_INPUT_FORMAT": "HEX",
    "BINARY_OUTPUT_FORMAT": "HEX",
    "DATE_INPUT_FORMAT": "AUTO",
    "ERROR_ON_NONDETERMINISTIC_UPDATE": "false",
    "JSON_INDENT": "0",
    "LOCK_TIMEOUT": "60",
    "QUERY_TAG": "mainstem",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
    "ROWS_PER_RESULTSET": "0",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "TIMEZONE": "UTC",
    "TIME_INPUT_FORMAT": "AUTO",
}

# `authenticator`, as Sling, dbt and Snowflake's own clients call them.
_AUTHENTICATORS: Mapping[str, str] = {
    "snowflake": "auth_snowflake",
    "snowflake_jwt": "auth_jwt",
    "oauth": "auth_oauth",
    "programmatic_access_token": "auth_pat",
    "externalbrowser": "auth_ext_browser",
    "username_password_mfa": "auth_mfa",
}
_WITH_TOKEN = frozenset({"oauth", "programmatic_access_token"})
_WITHOUT_PASSWORD = frozenset({*_WITH_TOKEN, "externalbrowser", "snowflake_jwt"})
_KEY_MARK = "-----BEGIN "
_UNQUOTED = re.compile(r'"(?:[^"]|"")*"|[^"]+')


def driver_options(connection: Connection) -> dict[str, str]:
    """What the driver is given.

    Raises:
        ConnectionConfigError: A property is missing, or none that we know; it is named.
    """
    found = {
        **_place(connection),
        **_login(connection),
        "adbc.snowflake.sql.db": connection.required("database"),
        "adbc.snowflake.sql.warehouse": connection.text("warehouse"),
        "adbc.snowflake.sql.role": connection.text("role"),
        f"{_CLIENT}.app_name": "mainstem",
        f"{_CLIENT}.disable_telemetry": "true",
        f"{_CLIENT}.keep_session_alive": "true",
        f"{_CLIENT}.login_timeout": _seconds(connection, "login_timeout", _LOGIN_SECONDS),
        f"{_CLIENT}.request_timeout": _seconds(connection, "request_timeout", _REQUEST_SECONDS),
        # A decimal is no float.
        f"{_CLIENT}.use_high_precision": "true",
        **_SESSION,
    }
    return {key: value for key, value in found.items() if value}


def folded(name: str) -> str:
    """A name as Snowflake reads it: in upper case, but for what is quoted.

    Example:
        >>> folded('public."My Table"')
        'PUBLIC."My Table"'
    """
    return _UNQUOTED.sub(lambda part: part[0] if part[0].startswith('"') else part[0].upper(), name)


def place_of(connection: Connection) -> str:
    """Where the account is, for people."""
    host, port = connection.text("host"), connection.text("port")
    return f"{host}:{port}" if host and port else host or f"account {connection.text('account')}"


def _place(connection: Connection) -> dict[str, str | None]:
    host, account = connection.text("host"), connection.text("account")
    if not host and not account:
        connection.required("account")
    domain = next((end for end in _DOMAINS if (host or "").lower().endswith(end)), None)
    port, protocol = connection.text("port"), connection.text("protocol")
    # A host that is no more than the account's name becomes one by the driver.
    is_whole = domain is not None or account is not None or port is not None or protocol is not None
    return {
        "adbc.snowflake.sql.account": account or (host or "").removesuffix(domain or ""),
        "adbc.snowflake.sql.uri.host": host if is_whole else None,
        "adbc.snowflake.sql.uri.port": port,
        "adbc.snowflake.sql.uri.protocol": protocol,
    }


def _login(connection: Connection) -> dict[str, str | None]:
    if connection.text("passcode"):
        raise ConnectionConfigError(
            f"Connection {connection.name}: a passcode cannot be given to Snowflake's driver.",
            hint="Use `authenticator: username_password_mfa` and confirm on the phone, or a key pair.",
        )
    key, token = _private_key(connection), connection.text("token")
    implied = (
        "snowflake_jwt" if key else "oauth" if token and not connection.text("password") else "snowflake"
    )
    asked = (connection.text("authenticator") or implied).strip()
    way = asked.lower()
    if way not in _AUTHENTICATORS and not way.startswith("https://"):
        raise ConnectionConfigError(
            f"Connection {connection.name}: the authenticator {asked!r} is unknown.",
            hint=f"There are {', '.join(sorted(_AUTHENTICATORS))}, and the https:// address of an Okta.",
        )
    if way == "snowflake_jwt" and key is None:
        connection.required("private_key")
    if way in _WITH_TOKEN:
        connection.required("token")
    if way != "oauth":
        connection.required("user")
    if way not in _WITHOUT_PASSWORD:
        connection.required("password")
    return {
        "username": connection.text("user"),
        "password": None if way in _WITHOUT_PASSWORD else connection.text("password"),
        "adbc.snowflake.sql.auth_type": _AUTHENTICATORS.get(way, "auth_okta"),
        f"{_CLIENT}.okta_url": None if way in _AUTHENTICATORS else asked,
        f"{_CLIENT}.auth_token": token if way in _WITH_TOKEN else None,
        f"{_CLIENT}.jwt_private_key_pkcs8_value": key if way == "snowflake_jwt" else None,
        f"{_CLIENT}.jwt_private_key_pkcs8_password": _passphrase(connection) if key else None,
    }


def _passphrase(connection: Connection) -> str | None:
    return connection.text("private_key_passphrase") or connection.text("passphrase")


def _private_key(connection: Connection) -> str | None:
    """The key's text: of ``private_key``, which may be a path too, or in the file of ``private_key_path``."""
    given = connection.text("private_key")
    path = connection.text("private_key_path") or connection.text("private_key_file")
    if given and _KEY_MARK not in given and _looks_like_path(given):
        path, given = given, None
    if path and not given:
        given = _read_key(connection, path)
    if not given:
        return None
    text = given.replace("\\n", "\n").strip()
    if _KEY_MARK not in text:
        # Some tools want the key without its first and last line.
        text = f"{_KEY_MARK}PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----"
    if "PRIVATE KEY-----" not in text or "-----BEGIN RSA" in text:
        raise ConnectionConfigError(
            f"Connection {connection.name}: the private key is not in the form PKCS#8.",
            hint="openssl pkcs8 -topk8 -in key.pem -out rsa_key.p8 makes one.",
        )
    if "ENCRYPTED" in text and not _passphrase(connection):
        raise ConnectionConfigError(
            f"Connection {connection.name}: the private key has a passphrase, which is not given.",
            hint="Add the property private_key_passphrase.",
        )
    return f"{text}\n"


def _looks_like_path(text: str) -> bool:
    return "\n" not in text and text.endswith((".p8", ".pem", ".key", ".der"))


def _read_key(connection: Connection, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectionConfigError(
            f"Connection {connection.name}: the private key {path} cannot be read.",
            hint="private_key_path names a PEM file that this user may read.",
        ) from error


def _seconds(connection: Connection, key: str, default: str) -> str:
    text = connection.text(key) or default
    if not text.isdecimal():
        raise ConnectionConfigError(
            f"Connection {connection.name}: {key} is no number of seconds.", hint=f"Such as {default}."
        )
    return f"{int(text)}s"
