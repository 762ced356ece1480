"""Text that nobody would write: it is read, or refused by an error of ours, soon and in little memory.

``make fuzz MINUTES=10`` runs the same for as long as one likes.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.connections import ConnectionBook
from mainstem.errors import ConfigError, MainstemError, Position, ReplicationError
from mainstem.expressions import ProgramBuilder, parse
from mainstem.expressions.rows import Entry
from mainstem.files.formats.base import OpenFile, ReadOptions
from mainstem.files.formats.registry import format_named
from mainstem.replication import load_replication
from mainstem.replication.columns import parse_columns
from mainstem.replication.ranges import parse_chunk_size, parse_range
from mainstem.replication.select import parse_select

HERE = Position("fuzz.yaml", 1, 1)
# So many times as much as in the ordinary tests.
TIMES = int(os.environ.get("MAINSTEM_FUZZ", "1"))


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """Run a test with so many examples."""
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def texts(pieces: Sequence[str], most: int = 12) -> st.SearchStrategy[str]:
    """Texts of pieces that mean something to a reader, and of any others."""
    return st.lists(st.one_of(st.sampled_from(pieces), st.text(max_size=5)), max_size=most).map("".join)


def outcome(act: Callable[[], object], kind: type[MainstemError]) -> str:
    """What became of a text: an error of ours is text for people. Any other error is raised."""
    try:
        act()
    except kind as error:
        return str(error)
    return "read"


def is_told(said: str) -> bool:
    """Whether an error says something, and is no wall of text."""
    return 0 < len(said) < 100_000


LONG = [
    "9" * 5000,
    "a" * 5000,
    "[" * 300,
    "(" * 300,
    "-" * 300,
    "{a: " * 120,
    "0x1F",
    "1e400",
    "\ud800",
    "\x85",
    "\u2028",
]
YAML = [
    *(
        "source: A\n",
        "target: B\n",
        "streams:\n",
        "  s.t:\n",
        "  s.t: {object: x, limit: ",
        "    object: t\n",
        "env:\n",
    ),
    *(
        "  X: ",
        "defaults:\n",
        "  hooks:\n",
        "    pre:\n",
        "      - type: log\n",
        "- ",
        ": ",
        ", ",
        "\n",
        "\n  ",
        "\t",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a ",
        "*a\n",
        "<<: ",
        "? ",
        "! ",
        "!!int ",
        "'",
        '"',
        "|",
        ">",
        "#",
        "%YAML 1.2\n",
        "---\n",
    ),
    *("...\n", "{X}", "$HOME", "null", "~", "true", "\\u0000", '"\\ud800"', "\ufeff", *LONG),
]


@fuzzed(300)
@given(texts(YAML, 25))
def test_any_text_is_a_replication_or_a_replication_error(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for whole in (
            f"{text}\n",
            f"source: A\ntarget: B\nstreams:\n  s.t: {{object: x}}\n{text}\n",
            "{" + text,
        ):
            read = partial(load_replication, f"{whole}\n", environment={"HOME": "/"})
            assert is_told(outcome(read, ReplicationError))


@fuzzed(150)
@given(
    texts(
        [
            *YAML,
            "type: postgres\n",
            "password: ",
            "url: postgresql://a:b@c/d?",
            "host: ",
            "://",
            "@",
            "%",
            "{{ env_var(",
        ]
    )
)
def test_any_text_is_a_connection_or_a_connection_error(text: str) -> None:
    environment = {"PG": text, "ENV_YAML": f"connections:\n  EY: {text}\n", "B": f"postgresql://{text}"}
    environment = {name: value.replace("\0", "") for name, value in environment.items()}
    book = ConnectionBook((), environment)
    for name in ("PG", "EY", "B", text):
        assert is_told(outcome(partial(book.find, name), ConfigError))


EXPRESSION = [
    *(
        "value",
        "record.s",
        "record.i",
        "record.",
        "env.X",
        "now()",
        "(",
        ")",
        "[",
        "]",
        ".",
        ",",
        "?",
        ":",
        "'",
        '"',
        "\\",
    ),
    *(
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "&&",
        "||",
        "==",
        "!=",
        "<",
        ">=",
        " in ",
        " and ",
        " or ",
        "1",
        "0",
        "1.5",
        "1e9",
        "null",
    ),
    *(
        "true",
        "lower(",
        "substring(",
        "regex_match(",
        "cast(",
        "'bigint'",
        "date_add(",
        "split(",
        "if(",
        "coalesce(",
        "hash(",
    ),
    *(
        "json_parse(",
        "jmespath(",
        "join(",
        "length(",
        "int_parse(",
        "date_format(",
        "{",
        "}",
        ";",
        "--",
        "$1",
        *LONG[:6],
    ),
]


@fuzzed(250)
@given(texts(EXPRESSION, 9))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    rows: list[pa.Array[Any]] = [pa.array(["a", None, "2024-01-01"]), pa.array([1, None, 2**62])]
    builder = ProgramBuilder([("s", rows[0].type), ("i", rows[1].type)])

    def computed() -> None:
        builder.stage([Entry("made", parse(text, HERE))])
        (made,) = builder.program().run(rows)
        assert len(made) == 3

    assert is_told(outcome(computed, MainstemError))


GRAMMAR = [
    "*",
    "-",
    "a",
    "b.c",
    " as ",
    ",",
    "(",
    ")",
    "'",
    '"',
    "`",
    "[",
    "]",
    "|",
    " ",
    "@columns",
    "\n",
    "::",
    *LONG,
]
TYPES = [
    "decimal(",
    "string",
    "bigint",
    "10",
    ",",
    "not_null",
    "index(",
    "unique",
    "primary_key",
    "description(",
    ")",
    "|",
    *GRAMMAR,
]


@fuzzed(250)
@given(texts([*GRAMMAR, *TYPES, "2024-01-01", "1h", "7d", "-1"], 8))
def test_any_text_is_a_projection_a_type_or_a_range_or_an_error(text: str) -> None:
    known = ["a", "b.c", "ä b"]
    for read in (
        lambda: parse_select([text, "*"], lambda _: HERE).resolve(known, known),
        lambda: parse_select([text], lambda _: HERE).fields(known, known),
        lambda: parse_columns({"a": text, text: "string"}, lambda _: HERE),
        lambda: parse_range(text, HERE),
        lambda: parse_chunk_size(text, HERE),
    ):
        assert is_told(outcome(read, ReplicationError))


CSV = [
    *(
        ",",
        ";",
        "\t",
        "|",
        '"',
        "'",
        "\\",
        "\n",
        "\r",
        "\r\n",
        "a",
        "1",
        "1.5",
        "2024-01-01",
        "NULL",
        " ",
        "\0",
        "\ufeff",
    ),
    *('"a"', '""', '"\n', "é", "a,b,c\n", "1,2,3\n", "\ud800"),
]
CHARACTERS = st.one_of(
    st.none(), st.sampled_from([",", ";", "\t", '"', "'", "\\", "a", "", "é", "\n", ",,", "\0", " "])
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "header": st.booleans(),
        "delimiter": CHARACTERS,
        "quote": CHARACTERS.map(lambda given: '"' if given is None else given),
        "escape": CHARACTERS,
        "encoding": st.sampled_from(["utf8", "latin1", "utf16", "windows1252", "utf8_bom", "no such"]),
        "skip_lines": st.integers(-1, 4),
        "skip_blank_lines": st.booleans(),
        "fields_per_rec": st.sampled_from([None, -1, 0, 3]),
        "null_if": st.sampled_from([None, "", "NULL", "a", ","]),
        "empty_as_null": st.booleans(),
        "datetime_format": st.sampled_from([None, "", "YYYY-MM-DD", "%", "%Q", "auto"]),
        "sample_size": st.sampled_from([1, 2, 900]),
    },
)


def rows_of(name: str, data: bytes, options: ReadOptions) -> int | None:
    """How many rows a file has; ``None`` where it is refused."""
    kind, file = format_named(name), OpenFile(f"fuzz.{name}", lambda: io.BytesIO(data))
    counts: list[int] = []

    def read() -> None:
        for batch in kind.read(file, kind.describe([file], options), options):
            batch.validate(full=True)
            counts.append(batch.num_rows)

    said = outcome(read, MainstemError)
    assert is_told(said)
    return sum(counts) if said == "read" else None


@fuzzed(400)
@given(texts(CSV, 20), OPTIONS, st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_any_text_is_rows_or_an_error_in_any_dialect(
    text: str, options: dict[str, Any], encoding: str
) -> None:
    try:
        given_options = ReadOptions(**options)
    except ConfigError:
        return
    data = text.encode(encoding, "surrogatepass" if encoding != "latin-1" else "replace")
    # As many rows as lines, at the most, and never fewer when read twice.
    found = rows_of("csv", data, given_options)
    assert found is None or found <= text.count("\n") + text.count("\r") + 1
    assert rows_of("csv", data, given_options) == found


JSON = [
    '{"a": 1}',
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "1",
    "-",
    "1e400",
    "NaN",
    "null",
    "true",
    '"\\ud800"',
    "\\",
    "\n",
    "\0",
    "9" * 2000,
    "[" * 200,
]
XML = [
    "<a>",
    "</a>",
    "<b x='1'/>",
    "<",
    ">",
    "&amp;",
    "&x;",
    "<!DOCTYPE a [",
    "<!ENTITY x 'y'>",
    "]>",
    "<![CDATA[",
    "]]>",
    "<?xml version='1.0'?>",
    "\0",
]


@fuzzed(200)
@given(texts([*JSON, *XML], 20), st.sampled_from(["json", "jsonlines", "xml"]), st.booleans())
def test_any_text_is_records_or_an_error(text: str, name: str, flatten: bool) -> None:
    for whole in (text, f"<r>{text}</r>", f"[{text}]"):
        data = whole.encode("utf-8", "surrogatepass")
        found = rows_of(name, data, ReadOptions(flatten=flatten))
        assert found is None or found <= len(whole)
