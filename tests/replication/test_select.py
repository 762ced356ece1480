"""The `select` of a stream: each rule of the reference, §1.6, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from mainstem.errors import Position, ReplicationError
from mainstem.replication.select import (
    Select,
    SelectedColumn,
    SelectExpression,
    parse_select,
    parse_select_text,
)

COLUMNS = ("id", "name", "email", "address_street", "address_city", "created_at", "updated_at")

thoroughly = settings(deadline=None, derandomize=True, max_examples=150)


def position_of(index: int) -> Position:
    return Position("replication.yaml", 10 + index, 9)


def parsed(*items: str) -> Select:
    return parse_select(items, position_of)


def read(items: str | Sequence[str], columns: Sequence[str] = COLUMNS, declared: Sequence[str] = ()) -> str:
    """What is read, as `source` or `source>target`, in order."""
    select = parse_select_text(items) if isinstance(items, str) else parsed(*items)
    resolved = select.resolve(columns, declared)
    return " ".join(
        each.source if each.source == each.target else f"{each.source}>{each.target}" for each in resolved
    )


def refused(*items: str, columns: Sequence[str] = COLUMNS, declared: Sequence[str] = ()) -> str:
    with pytest.raises(ReplicationError) as caught:
        parsed(*items).resolve(columns, declared)
    return str(caught.value)


# --- what is selected


def test_1_6_no_items_mean_every_column() -> None:
    assert read([], ["b", "a"]) == "b a"
    assert read("", ["b", "a"]) == "b a"


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("name,id", "name id"),
        ("email", "email"),
        (" email , id ", "email id"),
    ],
)
def test_1_6_names_are_read_in_the_order_of_the_list(items: str, expected: str) -> None:
    assert read(items) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("-name,-email", "id address_street address_city created_at updated_at"),
        ("- name, -email", "id address_street address_city created_at updated_at"),
        ("-address_*,-*_at", "id name email"),
        ("-*a*", "id"),
    ],
)
def test_1_6_exclusions_alone_imply_the_rest(items: str, expected: str) -> None:
    assert read(items) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("id as user_id", "id>user_id"),
        ("id AS user_id, name As n", "id>user_id name>n"),
        ("name as n, id", "name>n id"),
        ('id as "user id"', "id>user id"),
        ("id as user id", "id>user id"),
        ('"id"as"key"', "id>key"),
        ("id as id", "id"),
    ],
)
def test_1_6_as_gives_a_new_name(items: str, expected: str) -> None:
    assert read(items) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ('"first name"', "first name"),
        ("first name", "first name"),
        ('"first name" as name', "first name>name"),
        ("first name as name", "first name>name"),
        ('"a ""b"""', 'a "b"'),
        ('"a,b", id', "a,b id"),
        ('-"first name"', 'id a "b" a,b x* -y @z null e-mail as'),
        ('"x*"', "x*"),
        ('"-y"', "-y"),
        ('"@z"', "@z"),
        ('"null" as empty', "null>empty"),
        ("e-mail as mail", "e-mail>mail"),
        ("as", "as"),
        ("as as like", "as>like"),
    ],
)
def test_1_6_a_name_may_stand_in_quotes(items: str, expected: str) -> None:
    columns = ["id", "first name", 'a "b"', "a,b", "x*", "-y", "@z", "null", "e-mail", "as"]
    assert read(items, columns) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("*", "id name email address_street address_city created_at updated_at"),
        ("address_*", "address_street address_city"),
        ("*_at", "created_at updated_at"),
        ("*dd*", "address_street address_city"),
        ("address*city", "address_city"),
        ("a*s*y", "address_city"),
        ("ADDRESS_*", "address_street address_city"),
        ("id, nothing_*", "id"),
    ],
)
def test_1_6_a_star_stands_for_any_text(items: str, expected: str) -> None:
    assert read(items) == expected


@pytest.mark.parametrize(
    ("pattern", "column", "is_meant"),
    [("a*a", "a", False), ("a*a", "aa", True), ("*ab*ab*", "aab", False), ("*ab*ab*", "xabyab", True)],
)
def test_1_6_the_texts_around_a_star_do_not_overlap(pattern: str, column: str, is_meant: bool) -> None:
    assert read([pattern, "other"], [column, "other"]) == (f"{column} other" if is_meant else "other")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("c, *", "c a b d"),
        ("*, a", "b c d a"),
        ("d, *, a", "d b c a"),
        ("*, -b", "a c d"),
        ("c, *, -b", "c a d"),
    ],
)
def test_1_6_names_are_pinned_and_the_star_is_the_remainder(items: str, expected: str) -> None:
    assert read(items, ["a", "b", "c", "d"]) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("*_at, *", "created_at updated_at id name email address_street address_city"),
        ("*, *_at", "id name email address_street address_city created_at updated_at"),
        ("*, address_*", "id name email created_at updated_at address_street address_city"),
        ("address_*, address_street", "address_city address_street"),
        ("address_*, *s*", "address_street address_city"),
        ("address_*, -*_city", "address_street"),
    ],
)
def test_1_6_a_column_goes_to_what_names_it_most_exactly(items: str, expected: str) -> None:
    assert read(items) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("*, b as x", "a b>x c d"),
        ("b as x, *", "a b>x c d"),
        ("a*, a as x", "a>x"),
        ("c, *, d as x", "c a b d>x"),
        ("*, a as b, b as a", "a>b b>a c d"),
        ("c, a*, b as x", "c a b>x"),
    ],
)
def test_1_6_a_rename_alone_keeps_the_source_position(items: str, expected: str) -> None:
    assert read(items, ["a", "b", "c", "d"]) == expected


def test_1_6_a_rename_moves_with_its_pinned_name() -> None:
    assert read("c, *, c as x", ["a", "b", "c"]) == "c>x a b"
    assert read("*, a, a as x", ["a", "b", "c"]) == "b c a>x"


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("@columns", "email id"),
        ("@columns, name", "email id name"),
        ("@columns, id as key", "email id>key"),
        ("@columns, email", "id email"),
        ("@columns, -id", "email"),
        ("@columns, *_at, -updated_at", "email id created_at"),
        ("@columns, *", "email id name address_street address_city created_at updated_at"),
    ],
)
def test_1_6_at_columns_means_the_declared_ones(items: str, expected: str) -> None:
    assert read(items, declared=["EMAIL", "id", "*"]) == expected


@pytest.mark.parametrize(
    ("name", "columns", "expected"),
    [
        ("id", ["ID", "name"], "ID"),
        ("ID", ["id", "ID"], "ID"),
        ("iD as key", ["Id"], "Id>key"),
    ],
)
def test_1_6_a_name_is_matched_exactly_or_else_in_any_case(
    name: str, columns: list[str], expected: str
) -> None:
    assert read([name], columns) == expected


# --- expressions


@pytest.mark.parametrize(
    ("text", "expression", "alias"),
    [
        ("null as x", "null", "x"),
        ("0 as y", "0", "y"),
        ("1.5e3 as y", "1.5e3", "y"),
        ("(-1) as y", "(-1)", "y"),
        ("case when a > 1 then 'x, as y' end as z", "case when a > 1 then 'x, as y' end", "z"),
        ("case a when b then c end as z", "case a when b then c end", "z"),
        ("cast(a as int) as z", "cast(a as int)", "z"),
        ("coalesce(a, ')', b) AS z", "coalesce(a, ')', b)", "z"),
        ("a::int as z", "a::int", "z"),
        ("a - b as z", "a - b", "z"),
        ("count(*) as n", "count(*)", "n"),
        ("a * 2 as n", "a * 2", "n"),
        ("a is null as z", "a is null", "z"),
        ("'it''s' as z", "'it''s'", "z"),
        ('"a" || "b" as z', '"a" || "b"', "z"),
        ("{start_value} as z", "{start_value}", "z"),
        ('current_timestamp as "loaded at"', "current_timestamp", "loaded at"),
    ],
)
def test_1_6_an_expression_has_an_alias(text: str, expression: str, alias: str) -> None:
    select = parsed(text)
    assert select.has_expressions
    assert select.fields([]) == (SelectExpression(expression, alias, select.items[0].place),)


def test_1_6_expressions_take_their_place_among_the_fields() -> None:
    fields = parse_select_text("b, null as x, *, 0 as y").fields(["a", "b"])
    assert [
        each.source if isinstance(each, SelectedColumn) else f"{each.text}>{each.alias}" for each in fields
    ] == ["b", "null>x", "a", "0>y"]


def test_1_6_expressions_are_for_custom_sql_only() -> None:
    assert not parsed("id", "first name as name", "*").has_expressions
    message = refused("id", "price ($) as price")
    assert message.startswith("replication.yaml:11:9: `select`: the expression `price ($)` can be used with")
    assert "{fields}" in message
    assert "double quotes" in message


# --- what is refused


@pytest.mark.parametrize("items", [("id", "-name"), ("id as key", "-name"), ("-name", "null as x", "id")])
def test_1_6_inclusions_and_exclusions_do_not_mix_without_a_wildcard(items: tuple[str, ...]) -> None:
    message = refused(*items)
    assert "cannot be mixed without a wildcard" in message
    assert "Add `*`" in message


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        ("emial", "Did you mean `email`?"),
        ("-emial", "Did you mean `email`?"),
        ("EMIAL as mail", "Did you mean `email`?"),
        ("zzzzzz", "The columns are `id`, `name`, `email`,"),
        ("created_at updated_at x", "there is no column `created_at updated_at x`"),
    ],
)
def test_1_6_an_unknown_column_is_an_error(item: str, hint: str) -> None:
    message = refused(item)
    assert "there is no column" in message
    assert hint in message


def test_1_6_an_unknown_column_of_none_is_an_error() -> None:
    assert "The columns are none." in refused("id", columns=[])
    assert "`c11` and 3 more." in refused("zz", columns=[f"c{i}" for i in range(15)])


def test_1_6_a_name_that_several_columns_have_in_other_cases_is_an_error() -> None:
    assert "`Id` may be `id` or `ID`" in refused("Id", columns=["id", "ID"])


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        (("id", "id"), "`id` is selected twice"),
        (("id", "ID"), "`id` is selected twice"),
        (("id as a", "id as b"), "`id` is selected twice"),
        (("id", "id as key"), "`id` is selected twice"),
        (("*", "*"), "`*` is there twice"),
        (("id", "name as id"), "two columns would be called `id`"),
        (("*", "name as id"), "two columns would be called `id`"),
        (("name as x", "email as x"), "two columns would be called `x`"),
        (("*", "id", "-id"), "`id` is both selected and left out"),
        (("*", "id as key", "-i*"), "`id` is both selected and left out"),
        (("-*",), "no column is left"),
        (("nothing_*",), "no column is left"),
    ],
)
def test_1_6_duplicates_and_contradictions_are_errors(items: tuple[str, ...], problem: str) -> None:
    assert problem in refused(*items)


def test_1_6_an_expression_may_not_have_the_name_of_a_column() -> None:
    with pytest.raises(ReplicationError, match="two columns would be called `id`"):
        parse_select_text("id, null as id").fields(["id"])


@pytest.mark.parametrize("items", [("id", "@columns"), ("@columns", "@columns"), ("-id", "@columns")])
def test_1_6_at_columns_must_be_first(items: tuple[str, ...]) -> None:
    assert "`@columns` must be the first item" in refused(*items, declared=["id"])


def test_1_6_at_columns_needs_columns() -> None:
    assert "`@columns` needs `columns`" in refused("@columns")
    assert "`@columns` needs `columns`" in refused("@columns", declared=["*"])
    assert "`columns` declares `nmae`, but there is no column" in refused("@columns", declared=["nmae"])


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("", "an item is empty"),
        ("   ", "an item is empty"),
        ("id, name", "more than one column"),
        ("-", "a name is missing behind the `-`"),
        ("- ", "a name is missing behind the `-`"),
        ("-id as key", "has no new name"),
        ("-1 as one", "An expression that begins with a minus stands in parentheses"),
        ("-@columns", "there is no column `@columns`"),
        ("@column", "Did you mean `@columns`?"),
        ("@columns as x", "Did you mean `@columns`?"),
        ("id as", "a new name is missing behind `as`"),
        ("id as a as b", "more than one `as`"),
        ("id as a*", "`a*` is not a name"),
        ("id as 'a'", "`'a'` is not a name"),
        ("address_* as a", "cannot all have one name"),
        ("* as a", "cannot all have one name"),
        ("count(*)", "An expression needs a name"),
        ("'x'", "An expression needs a name"),
        ('"a".b', '`"a".b` is not a column'),
        ('""', "a name is empty"),
        ('id as ""', "a name is empty"),
        ('"id', 'the quote " is not closed'),
        ("customer's", "the quote ' is not closed"),
        ("f(a", "this `(` is not closed"),
        ("f(a, ')'", "this `(` is not closed"),
        ("a)", "this `)` closes nothing"),
    ],
)
def test_1_6_what_is_no_item_is_refused(item: str, problem: str) -> None:
    assert problem in refused(item)


@pytest.mark.parametrize("text", ["id,,name", "id,", ",id", "id, ,name"])
def test_1_6_an_empty_item_on_the_command_line_is_refused(text: str) -> None:
    with pytest.raises(ReplicationError, match="an item is empty"):
        parse_select_text(text)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (
            ("id", "name as n as m"),
            "replication.yaml:11:9: `select`: there is more than one `as`. "
            "One item gives one column one new name.\n  name as n as m\n            ^",
        ),
        (
            ("*", "  -emial"),
            "replication.yaml:11:9: `select`: there is no column `emial`. "
            "Did you mean `email`?\n    -emial\n    ^",
        ),
        (
            ("姓名 as a)",),
            "replication.yaml:10:9: `select`: this `)` closes nothing. A column's name that is more than "
            "letters, digits and underscores can stand in double quotes.\n  姓名 as a)\n           ^",
        ),
    ],
)
def test_an_error_points_at_the_character(items: tuple[str, ...], expected: str) -> None:
    assert refused(*items) == expected


def test_an_error_on_the_command_line_points_into_the_whole_list() -> None:
    with pytest.raises(ReplicationError) as caught:
        parse_select_text("id, name, nmae").resolve(COLUMNS)
    assert str(caught.value).endswith("Did you mean `name`?\n  id, name, nmae\n            ^")
    assert str(caught.value).startswith("--select: ")


# --- what holds for every select

NAMES = st.text("abAB_ ", min_size=1, max_size=3).filter(lambda name: name == name.strip())
ITEMS = st.one_of(
    NAMES,
    st.builds("-{}".format, NAMES),
    st.builds("{} as {}".format, NAMES, NAMES),
    st.text("aAb*_", min_size=1, max_size=4),
    st.builds("-{}".format, st.text("aAb*_", min_size=1, max_size=4)),
    st.sampled_from(["*", "@columns", '"a b"', "null as x"]),
)


@thoroughly
@given(items=st.lists(ITEMS, max_size=5), columns=st.lists(NAMES, unique=True), data=st.data())
def test_what_resolves_invents_no_column_and_no_name_twice(
    items: list[str], columns: list[str], data: st.DataObject
) -> None:
    declared = data.draw(st.lists(st.sampled_from(columns))) if columns else []
    try:
        resolved = parsed(*items).resolve(columns, declared)
    except ReplicationError:
        reject()
    targets = [each.target for each in resolved]
    assert len(set(targets)) == len(targets)
    assert {each.source for each in resolved} <= set(columns)


@thoroughly
@given(columns=st.lists(NAMES, unique=True, min_size=1), data=st.data())
def test_quoted_names_select_exactly_those_columns(columns: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(columns), unique=True, min_size=1))
    resolved = parse_select_text(", ".join(f'"{name}"' for name in chosen)).resolve(columns)
    assert [each.source for each in resolved] == chosen


@thoroughly
@given(columns=st.lists(NAMES, unique=True, min_size=1), data=st.data())
def test_a_star_and_pinned_names_lose_no_column(columns: list[str], data: st.DataObject) -> None:
    pinned = data.draw(st.lists(st.sampled_from(columns), unique=True))
    items = data.draw(st.permutations([*(f'"{name}"' for name in pinned), "*"]))
    resolved = parsed(*items).resolve(columns)
    assert sorted(each.source for each in resolved) == sorted(columns)


def problem(read: Callable[[], object]) -> str | None:
    """What a parser says is wrong; any other exception of its is a failure of the test."""
    try:
        read()
    except ReplicationError as error:
        return str(error)
    return None


ANY_TEXT = st.one_of(st.text(), st.text("ab*-@,()'\" \n\\as0.", max_size=30))


@thoroughly
@given(items=st.lists(ANY_TEXT, max_size=4), columns=st.lists(st.text(), max_size=4))
def test_any_text_is_read_or_refused(items: list[str], columns: list[str]) -> None:
    in_list = problem(lambda: parsed(*items).resolve(columns, columns))
    assert in_list is None or "replication.yaml:" in in_list
    in_text = problem(lambda: parse_select_text(",".join(items)).fields(columns, columns))
    assert in_text is None or in_text.startswith("--select: `select`: ")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        "'" * 200_001,
        "a as " * 20_000,
        "*a" * 50_000 + "b",
        "x" * 1_000_000,
        " " * 200_000 + "-",
        ",".join(f"c{index}" for index in range(10_000)),
    ],
)
def test_a_huge_text_is_refused_like_any_other(text: str) -> None:
    with pytest.raises(ReplicationError) as caught:
        parse_select_text(text).resolve(["a" * 50_000])
    assert len(str(caught.value)) < 1000
