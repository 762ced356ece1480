"""dbt's ``profiles.yml``: each output is a connection named PROFILE_TARGET (spec §5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from mainstem.connections.contents import Contents, Entry, add_entry, noted
from mainstem.connections.model import Connection, Secret
from mainstem.connections.variables import Variables
from mainstem.connections.yamltext import Value, YamlDocument, YamlNode
from mainstem.errors import ConnectionConfigError, Position

__all__ = ["read_dbt_profiles", "read_dbt_target"]

# The one piece of Jinja that we resolve, and filters that change a type: our values are text.
_ENV_VAR = re.compile(
    r"""\{\{-?\s*env_var\(\s*(?P<quote>['"])(?P<name>[A-Za-z_]\w*)(?P=quote)\s*
    (?:,\s*(?:'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)"|(?P<number>-?\d+))\s*)?\)
    (?:\s*\|\s*(?:int|as_number|as_bool|as_native|as_text))*\s*-?\}\}""",
    re.VERBOSE,
)
_JINJA = re.compile(r"\{\{|\{%|\{\#")
# Variables of this prefix hold secrets, says dbt: https://docs.getdbt.com/reference/dbt-jinja-functions/env_var
_SECRET_PREFIX = "DBT_ENV_SECRET"  # noqa: S105 - no password

# dbt's name → Sling's, for every adapter, and those that mean something else in another one.
_NAMES: Mapping[str, str] = {
    "dbname": "database",
    "keyfile": "key_file",
    "keyfile_json": "key_body",
    "pass": "password",
    "server": "host",
    "username": "user",
}
_NAMES_OF_TYPE: Mapping[str, Mapping[str, str]] = {
    "bigquery": {"database": "project", "schema": "dataset"},
    "duckdb": {"path": "instance"},
}
# What only dbt itself reads.
_DBT_ONLY = frozenset({"threads", "retries"})
# A key of the file that is no profile.
_NO_PROFILE = "config"


def read_dbt_profiles(text: str, where: str, environment: Variables) -> Contents:
    """Read the outputs of all profiles.

    Args:
        text: The document.
        where: Its name in errors.
        environment: What ``env_var`` reads.

    Returns:
        What could be read. An output with other Jinja than ``env_var`` is there, and says so when opened.
    """
    start = Position(where)
    problems: list[str] = []
    entries: dict[str, Entry] = {}
    with noted(problems, start):
        document = YamlDocument(text, where)
        for profile, key, node in document.pairs(document.root):
            if profile == _NO_PROFILE:
                continue
            with noted(problems, key.position):
                outputs = document.items(node).get("outputs")
                if outputs is None:
                    raise key.error(f"The profile {profile} has no outputs.")
                for target, at, output in document.pairs(outputs):
                    name = f"{profile}_{target}".upper()
                    make = partial(_connection, name, document, output, environment)
                    entry = Entry.made(at.position, make, document.said(output, "type"))
                    add_entry(entries, name, at.position, entry)
    return Contents(where, entries, problems=problems)


def _connection(name: str, document: YamlDocument, node: YamlNode, environment: Variables) -> Connection:
    items = document.items(node)
    given = {key: _rendered(document.value(item), environment, item) for key, item in items.items()}
    kind = str(given.pop("type", ""))
    if not kind:
        raise node.error(f"Connection {name} has no 'type'.")
    names = {**_NAMES, **_NAMES_OF_TYPE.get(kind, {})}
    properties = {names.get(key, key): value for key, value in given.items() if key not in _DBT_ONLY}
    return Connection.of(name, kind, properties)


def _rendered(value: Value, environment: Variables, node: YamlNode) -> Any:
    if isinstance(value, list):
        return [_rendered(item, environment, node) for item in value]
    if isinstance(value, dict):
        return {key: _rendered(item, environment, node) for key, item in value.items()}
    return _text(value, environment, node) if isinstance(value, str) else value


def _text(template: str, environment: Variables, node: YamlNode) -> str | Secret:
    if _JINJA.search(_ENV_VAR.sub("", template)):
        raise node.error(
            "This Jinja is more than env_var('NAME') or env_var('NAME', 'default'): dbt alone can read it.",
            "Put the value into an environment variable, or define the connection in env.yaml.",
        )
    used = list(_ENV_VAR.finditer(template))
    unset = next((match["name"] for match in used if _value(match, environment) is None), None)
    if unset is not None:
        raise node.error(f"env_var('{unset}') is not set, and has no default.")
    text = _ENV_VAR.sub(lambda match: str(_value(match, environment)), template)
    return Secret(text) if any(match["name"].startswith(_SECRET_PREFIX) for match in used) else text


def _value(match: re.Match[str], environment: Variables) -> str | None:
    defaults = (match[group] for group in ("single", "double", "number"))
    return environment.get(match["name"], next((text for text in defaults if text is not None), None))


def read_dbt_target(
    text: str, where: str, profile: str, target: str | None, environment: Mapping[str, str]
) -> Connection:
    """Read one output of one profile.

    Args:
        text: The document.
        where: Its name in errors.
        profile: The profile.
        target: Its output; ``None`` for the one that it names itself.
        environment: What ``env_var`` reads.

    Raises:
        ConnectionConfigError: There is none, or it has other Jinja than ``env_var``.
    """
    variables = Variables(lambda: environment)
    document = YamlDocument(text, where)
    found = document.items(document.root).get(profile)
    if found is None:
        raise ConnectionConfigError(f"{where} has no profile {profile}.")
    items = document.items(found)
    if target is None:
        said = (
            _rendered(document.value(items["target"]), variables, found) if "target" in items else "default"
        )
        target = str(said)
    contents = read_dbt_profiles(text, where, variables)
    entry = contents.entries.get(f"{profile}_{target}".upper())
    if entry is None:
        raise ConnectionConfigError(f"{where}: the profile {profile} has no output {target}.")
    return entry.open()
