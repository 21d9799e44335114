"""The layout of tables: what fits stands in columns, and what does not hangs below, whole."""

from __future__ import annotations

from collections.abc import Sequence

import click

from secretsource.cli.grid import Cell, Column, lay_out

REF = "aws-sm://production/shop-of-somebody#database/password"


def cells(*texts: str) -> Sequence[Cell]:
    return [Cell(text) for text in texts]


def laid_out(columns: Sequence[Column], notes: Sequence[Cell], room: int | None) -> Sequence[str]:
    """The lines without their colours."""
    return [click.unstyle(line) for line in lay_out(columns, notes, room)]


def test_all_of_it_stands_in_columns_where_there_is_room() -> None:
    """Notes at the end of their rows; a column without text is left out."""
    columns = [Column("FIELD", cells("a", "bc")), Column("EMPTY", cells("", "")), Column("FROM", cells("x", ""))]
    for room in (None, 20):
        assert laid_out(columns, cells("", "so"), room) == ["FIELD  FROM  NOTE", "a      x", "bc           so"]


def test_the_least_needed_column_goes_first() -> None:
    """Until the rest fits."""
    columns = [
        Column("FIELD", cells("a")),
        Column("FROM", cells("x"), hangs=True),
        Column("VERSION", cells("1"), needed=2),
        Column("AGE", cells("2"), needed=1),
    ]
    heads = [laid_out(columns, cells(""), room)[0] for room in (25, 24, 19, 12)]
    assert heads == ["FIELD  FROM  VERSION  AGE", "FIELD  FROM  VERSION", "FIELD  FROM", "FIELD  FROM"]


def test_one_long_text_does_not_cost_the_others_their_columns() -> None:
    """It hangs below its row, and the rest stays a table."""
    columns = [
        Column("FIELD", cells("a", "b")),
        Column("FROM", cells(REF, "vault://kv/b"), hangs=True),
        Column("VERSION", cells("1", "2"), needed=1),
    ]
    assert laid_out(columns, cells("", ""), 60) == [
        "FIELD  FROM          VERSION",
        "a                    1",
        f"    {REF}",
        "b      vault://kv/b  2",
    ]


def test_what_does_not_fit_beside_long_names_hangs_too() -> None:
    """However short it is."""
    columns = [Column("FIELD", cells("n" * 30)), Column("FROM", cells("vault://kv/b"), hangs=True)]
    assert laid_out(columns, cells(""), 40) == [f"{'FIELD':30}  FROM", "n" * 30, "    vault://kv/b"]


def test_a_note_is_wrapped_between_words_only() -> None:
    """A ref in it stays whole, with its hyphens, even where it is longer than the line."""
    lines = laid_out([Column("FIELD", cells("a"))], cells(f"searched env://SHOP_PASSWORD and {REF}"), 50)
    assert lines == ["FIELD", "a", "    searched env://SHOP_PASSWORD and", f"    {REF}"]


def test_colours_do_not_count_as_width() -> None:
    """Columns stay in line."""
    plain, coloured = Column("A", cells("x", "yy")), Column("B", [Cell("1", "red"), Cell("2", "dim")])
    _, *rows = lay_out([plain, coloured, plain], cells("", ""), None)
    assert rows == ["x   \x1b[31m1\x1b[0m  x", "yy  \x1b[2m2\x1b[0m  yy"]
