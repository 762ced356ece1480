"""``env.yaml``, as a file or in an environment variable: connections, and variables (spec §5)."""

from __future__ import annotations

from functools import partial

from mainstem.connections.contents import Contents, Entry, add_entry, noted
from mainstem.connections.definition import connection_of
from mainstem.connections.environment import connections_among
from mainstem.connections.model import Connection
from mainstem.connections.variables import Variables, expand
from mainstem.connections.yamltext import Value, YamlDocument, YamlNode
from mainstem.errors import ConnectionConfigError, Position

__all__ = ["read_env_yaml"]

# `variables` is what `env` was called once; `env` wins.
_VARIABLES = ("env", "variables")


def read_env_yaml(text: str, where: str, environment: Variables) -> Contents:
    """Read the document's connections and variables.

    A variable whose value is a connection is one, and wins over the same name under ``connections``: Sling
    exports the variables, and looks at the environment first. ``${NAME}`` and ``$NAME`` mean the
    environment, then the document's own variables.

    Args:
        text: The document.
        where: Its name in errors: a path, or the variable that holds it.
        environment: What ``${NAME}`` means.

    Returns:
        What could be read. A part of the wrong shape becomes a problem and leaves the others usable.
    """
    start = Position(where)
    problems: list[str] = []
    variables: dict[str, str] = {}
    entries: dict[str, Entry] = {}
    known = environment.over(lambda: variables)
    with noted(problems, start):
        document = YamlDocument(text, where)
        sections = document.items(document.root)
        for section in _VARIABLES:
            with noted(problems, start):
                for name, _, node in document.pairs(sections.get(section)):
                    with noted(problems, node.position):
                        value = document.scalar(node)
                        if value is not None and name not in variables:
                            variables[name] = expand(value, known)
        with noted(problems, start):
            for name, key, node in document.pairs(sections.get("connections")):
                make = partial(_connection, name.upper(), document, node, known)
                entry = Entry.made(key.position, make, document.said(node, "type"))
                add_entry(entries, name, key.position, entry)
    return Contents(where, {**entries, **connections_among(variables, where)}, variables, problems)


def _connection(name: str, document: YamlDocument, node: YamlNode, variables: Variables) -> Connection:
    if node.is_mapping:
        items = document.items(node)
        return connection_of(
            name, {key: _expanded(document.value(item), variables, item) for key, item in items.items()}
        )
    value = _expanded(document.value(node), variables, node)
    if not isinstance(value, str):
        raise node.error(f"Connection {name} is neither a URL nor a mapping with 'type' or 'url'.")
    return connection_of(name, value)


def _expanded(value: Value, variables: Variables, node: YamlNode) -> Value:
    if isinstance(value, list):
        return [_expanded(item, variables, node) for item in value]
    if isinstance(value, dict):
        return {key: _expanded(item, variables, node) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    try:
        return expand(value, variables)
    except ConnectionConfigError as error:
        raise node.error(str(error)) from None
