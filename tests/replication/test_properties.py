"""Whatever the document: it is read the same after a dump, and nothing but our own error comes out."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mainstem.errors import ReplicationError
from mainstem.replication import Replication, Stream, load_replication
from mainstem.replication.keys import OPTION_MAPS, STREAM_KEYS, TOP_LEVEL_KEYS

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30)
STREAM = st.fixed_dictionaries(
    {"object": NAMES},
    optional={
        "mode": st.sampled_from(["full-refresh", "truncate", "snapshot"]),
        "select": st.lists(NAMES, max_size=3),
        "where": TEXT,
        "primary_key": st.one_of(NAMES, st.lists(NAMES, max_size=2)),
        "sql": TEXT,
        "tags": st.lists(NAMES, max_size=2),
        "disabled": st.booleans(),
        "columns": st.dictionaries(NAMES, st.sampled_from(["bigint", "string", "decimal(10,2)"]), max_size=3),
        "source_options": st.fixed_dictionaries({}, optional={"limit": st.integers(0, 9), "delimiter": TEXT}),
        "target_options": st.fixed_dictionaries({}, optional={"use_bulk": st.booleans(), "pre_sql": TEXT}),
        "hooks": st.just({"pre": [{"log": "x"}]}),
    },
)
DOCUMENT = st.fixed_dictionaries(
    {
        "source": NAMES,
        "target": NAMES,
        "streams": st.dictionaries(
            NAMES.filter("*".__ne__), st.one_of(st.none(), STREAM), min_size=1, max_size=4
        ),
    },
    optional={"defaults": STREAM, "env": st.dictionaries(st.from_regex(r"\A[A-Z]{1,5}\Z"), TEXT, max_size=2)},
)  # fmt: skip


class Quoting(yaml.SafeDumper):
    """Quotes every text: what it dumps bare is text to YAML 1.1 alone, such as ``0E0``."""


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, '"'))


def dumped(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=Quoting, allow_unicode=True, sort_keys=False) + "\n"


def meaning(replication: Replication) -> Any:
    """Everything but where it stood."""
    values = {field.name for field in fields(Stream)} - {"position", "unsupported", "hooks"}
    streams = [
        [
            *(getattr(stream, name) for name in sorted(values)),
            [(hook.stage, hook.type, hook.keys) for hook in stream.hooks],
            [unsupported.what for unsupported in stream.unsupported],
        ]
        for stream in replication.streams
    ]
    return replication.source, replication.target, replication.variables, streams


@settings(max_examples=150, deadline=None)
@given(DOCUMENT)
def test_a_document_dumped_and_read_again_means_the_same(document: dict[str, Any]) -> None:
    document.setdefault("defaults", {"object": "x"})
    from_mapping = load_replication(document, environment={})
    from_text = load_replication(dumped(document), environment={})
    assert meaning(from_text) == meaning(from_mapping)


KEYS = sorted(TOP_LEVEL_KEYS | STREAM_KEYS | set().union(*OPTION_MAPS.values()))
MARKS = [
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    *"{}[]?#|>'\"*~\t\x00",
    "&a ",
    "*a",
    "<<",
    "!!x ",
    "---\n",
    "\ufeff",
]
VALUES = ["null", "true", "7", "-1", "1e999", "full-refresh", "s.t", "s.*", "é", "{X}"]
PIECES = [*KEYS, *MARKS, *VALUES]
LESSON = """\
source: A
target: B
env:
  X: y
defaults:
  object: t
streams:
  s.t:
    mode: full-refresh
  s.u:
"""


def read_or_refused(document: Any) -> None:
    """Anything but a replication or our own error is raised by this."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: object = load_replication(document, environment={})
        except ReplicationError as error:
            found = str(error)
    assert found


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(LESSON)), st.sampled_from(PIECES), st.integers(0, 6)), max_size=6)
)
def test_a_mutated_document_is_a_replication_or_a_replication_error(
    mutations: list[tuple[int, str, int]],
) -> None:
    text = LESSON
    for at, piece, cut in mutations:
        text = text[:at] + piece + text[at + cut :]
    read_or_refused(text + "\n")


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(TOP_LEVEL_KEYS), ANYTHING)),
    st.dictionaries(st.sampled_from(sorted(STREAM_KEYS)), ANYTHING, max_size=4),
)
def test_any_mapping_is_a_replication_or_a_replication_error(
    top: dict[str, Any], stream: dict[str, Any]
) -> None:
    document = {"source": "A", "target": "B", "streams": {"s.t": stream}, **top}
    read_or_refused(document)
