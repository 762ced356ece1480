"""The functions of expressions, as data: how many arguments, and what they are in DuckDB's SQL (spec §1.8).

No other function can be called. None of these reaches a file, the network or the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mainstem.expressions.encodings import ENCODINGS

__all__ = ["FUNCTIONS", "NOT_BUILT", "PARTS", "SPACES", "UNITS", "Function"]

# What Unicode calls white space.
SPACES = "".join(map(chr, (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
                           0x202F, 0x205F, 0x3000)))  # fmt: skip

UNITS: Mapping[str, str] = {
    "second": "to_seconds",
    "minute": "to_minutes",
    "hour": "to_hours",
    "day": "to_days",
    "week": "to_weeks",
    "month": "to_months",
    "year": "to_years",
}
PARTS = (*UNITS, "quarter", "millisecond", "microsecond", "dow", "doy", "isodow", "epoch")


@dataclass(frozen=True)
class Function:
    """A function.

    Attributes:
        sql: Its SQL, with ``{0}``, ``{1}``… for the arguments and ``{all}`` for all of them. ``{t0}`` is an
            argument as text.
        least: It takes so many arguments at least.
        most: And so many at most.
        literal: What an argument has to be where it must stand in the expression itself, by its index:
            ``type``, ``unit``, ``part``, ``pattern``, ``algorithm`` or ``format``.
        lists: Its SQL where the first argument is a list.
        json: Its SQL where the first argument is JSON.
        takes: The families of types that the first argument may have; empty for all.
        alike: Whether all arguments must be of one family.
        defaults: SQL for arguments that are not given, by index.
        alone: Its SQL where only the first argument is given.
    """

    sql: str
    least: int = 1
    most: int = 1
    literal: Mapping[int, str] | None = None
    lists: str | None = None
    json: str | None = None
    takes: frozenset[str] = frozenset()
    alike: bool = False
    defaults: Mapping[int, str] | None = None
    alone: str | None = None


_TEXT = frozenset({"text", "null", "json"})
_NUMBER = frozenset({"number", "null"})
_TIME = frozenset({"time", "null"})
_BYTES = frozenset({"bytes", "null"})
_MANY = 50
_ONE_BYTE = sorted(ENCODINGS.keys() - {"utf16"})
# DuckDB's own `trim` of so many characters takes three times as long.
_WITHOUT_SPACES = f"regexp_replace({{t0}}, '^[{SPACES}]+|[{SPACES}]+$', '', 'g')"


def _text(sql: str, least: int = 1, most: int | None = None, **more: object) -> Function:
    return Function(sql, least, most or least, takes=_TEXT, **more)  # type: ignore[arg-type]


FUNCTIONS: Mapping[str, Function] = {
    # Text.
    "lower": _text("lower({t0})"),
    "upper": _text("upper({t0})"),
    "trim": _text("trim({t0}, {1})", 1, 2, alone=_WITHOUT_SPACES),
    "trim_space": _text(_WITHOUT_SPACES),
    "replace": _text("replace({t0}, {1}, {2})", 3),
    "replace_0x00": _text("replace({t0}, chr(0), '')"),
    "replace_accents": _text("strip_accents({t0})"),
    "remove_diacritics": _text("strip_accents({t0})"),
    "replace_non_printable": _text(r"regexp_replace({t0}, '[\p{{C}}\p{{Zl}}\p{{Zp}}]', '', 'g')"),
    "substring": _text("array_slice({t0}, CAST({1} AS BIGINT) + 1, CAST({2} AS BIGINT))", 2, 3,
                       defaults={2: "9223372036854775807"}),
    "split": _text("string_split({t0}, {1})", 2),
    "split_part": _text("list_extract(string_split({t0}, {1}), CAST({2} AS BIGINT) + 1)", 3),
    "strpos": _text("strpos({t0}, {1}) - 1", 2),
    "starts_with": _text("starts_with({t0}, {1})", 2),
    "ends_with": _text("ends_with({t0}, {1})", 2),
    "contains": Function("contains({t0}, {1})", 2, 2, lists="list_contains({0}, {1})"),
    "length": Function("length({t0})", lists="len({0})", json="CAST(json_array_length({0}) AS BIGINT)",
                       takes=frozenset({"text", "list", "json", "null"})),
    "concat": Function("concat({all})", 1, _MANY),
    "regex_match": _text("regexp_matches({t0}, {1})", 2, literal={1: "pattern"}),
    "regex_replace": _text("regexp_replace({t0}, {1}, {2}, 'g')", 3, literal={1: "pattern"}),
    "regex_extract": _text("regexp_extract({t0}, {1})", 2, literal={1: "pattern"}),
    "hash": Function("{1}({t0})", 1, 2, literal={1: "algorithm"}, defaults={1: "md5"}),
    # From one type to another.
    "int_parse": Function("CAST({0} AS BIGINT)"),
    "float_parse": Function("CAST({0} AS DOUBLE)"),
    "bool_parse": Function("CAST({0} AS BOOLEAN)"),
    "json_parse": _text("CAST({t0} AS JSON)"),
    "cast": Function("CAST({0} AS {1})", 2, 2, literal={1: "type"}),
    "try_cast": Function("TRY_CAST({0} AS {1})", 2, 2, literal={1: "type"}),
    "type_of": Function("typeof({0})"),
    # Time.
    "date_parse": Function("{1}", 1, 2, takes=_TIME | {"text"}, literal={1: "parsing"},
                           defaults={1: "CAST({0} AS TIMESTAMP)"}),
    "date_format": Function("strftime({0}, {1})", 2, 2, takes=_TIME, literal={1: "format"}),
    "date_add": Function("{0} + {2}(CAST({1} AS INTEGER))", 2, 3, takes=_TIME,
                         literal={2: "unit"}, defaults={2: "to_days"}),
    "date_diff": Function("date_diff({2}, {0}, {1})", 2, 3, takes=_TIME,
                          literal={2: "part"}, defaults={2: "'day'"}),
    "date_trunc": Function("date_trunc({1}, {0})", 2, 2, takes=_TIME, literal={1: "part"}),
    "date_part": Function("date_part({1}, {0})", 2, 2, takes=_TIME, literal={1: "part"}),
    # NULL, and choice.
    "is_null": Function("({0} IS NULL)"),
    "is_empty": Function("(coalesce({t0}, '') = '')", lists="(coalesce(len({0}), 0) = 0)"),
    "empty_as_null": _text("nullif({t0}, '')"),
    "coalesce": Function("coalesce({all})", 1, _MANY, alike=True),
    "nullif": Function("nullif({0}, {1})", 2, 2, alike=True),
    "greatest": Function("greatest({all})", 1, _MANY, alike=True),
    "least": Function("least({all})", 1, _MANY, alike=True),
    "if": Function("CASE WHEN {0} THEN {1} ELSE {2} END", 3, 3, takes=frozenset({"bool", "null"})),
    # Numbers.
    "round": Function("round({0}, CAST({1} AS INTEGER))", 1, 2, takes=_NUMBER, defaults={1: "0"}),
    "abs": Function("abs({0})", takes=_NUMBER),
    "floor": Function("floor({0})", takes=_NUMBER),
    "ceil": Function("ceil({0})", takes=_NUMBER),
    # Lists and JSON.
    "join": Function("array_to_string({0}, {1})", 2, 2, takes=frozenset({"list", "null"})),
    "keys": Function("json_keys({0})", takes=frozenset({"json", "text", "null"})),
    "pluck": Function("json_extract_string({0}, '$[*].' || {1})", 2, 2,
                      takes=frozenset({"json", "text", "null"}), literal={1: "key"}),
    "uuid": Function("CAST(uuid() AS VARCHAR)", 0, 0),
    # Named transforms.
    "hash_md5": Function("md5({t0})"),
    "hash_sha1": Function("sha1({t0})"),
    "hash_sha256": Function("sha256({t0})"),
    "binary_to_hex": Function("lower(hex({0}))", takes=frozenset({"bytes", "text", "null"})),
    "binary_to_decimal": Function("CAST(CAST('0x' || nullif(hex({0}), '') AS UBIGINT) AS DECIMAL(38, 0))",
                                  takes=_BYTES),
    "parse_bit": Function("CAST('0x' || nullif(hex({0}), '') AS BIGINT)", takes=_BYTES),
    "parse_uuid": Function("CAST({0} AS UUID)", takes=frozenset({"bytes", "text", "uuid", "null"})),
    "parse_ms_uuid": Function(
        "CAST(regexp_replace(hex({0}),"
        " '^(..)(..)(..)(..)(..)(..)(..)(..)', '\\4\\3\\2\\1\\6\\5\\8\\7') AS UUID)",
        takes=_BYTES,
    ),
    "decode_utf8": Function("decode({0})", takes=_BYTES),
    "decode_utf8_bom": Function("regexp_replace(decode({0}), '^\ufeff', '')", takes=_BYTES),
    "encode_utf8": _text("encode({t0})"),
    "encode_utf8_bom": _text("encode('\ufeff' || {t0})"),
    # A mark of the order of bytes is no character.
    "decode_utf16": Function("regexp_replace(decode_utf16({0}), '^\ufeff', '')", takes=_BYTES),
    **{f"decode_{name}": Function(f"decode_{name}({{0}})", takes=_BYTES) for name in _ONE_BYTE},
    **{f"encode_{name}": _text(f"encode_{name}({{t0}})") for name in ENCODINGS},
    "duckdb_list_to_text": Function("CAST(to_json({0}) AS VARCHAR)", takes=frozenset({"list", "null"})),
}  # fmt: skip

# What Sling has and this has not: refused by name.
NOT_BUILT: Mapping[str, str] = {
    "hash_sha512": "`hash_sha256` is there.",
    "parse_fix": "Split it with `split`.",
    "jmespath": 'Index the value: `record.doc["key"][0]`.',
    "jq": 'Index the value: `record.doc["key"][0]`.',
    "pretty_table": "It is for people, not for tables.",
}
