"""Columns of text, laid out for the room there is. A text without blanks is never broken in two."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP: Final = "  "
_INDENT: Final = "    "
_MOST: Final = 0.6  # of the room, for a text that may hang: one long ref should not cost all others their columns


class Cell(NamedTuple):
    """A text, and how it is shown on a terminal: in a colour, or `dim`."""

    text: str = ""
    style: str | None = None

    def shown(self, width: int = 0) -> str:
        """The text in its style, filled up with blanks."""
        return self._styled() + " " * (width - len(self.text))

    def _styled(self) -> str:
        if not self.text or self.style is None:
            return self.text
        return click.style(self.text, dim=True) if self.style == "dim" else click.style(self.text, fg=self.style)


class Column(NamedTuple):
    """One column.

    Attributes:
        title: Its heading.
        cells: A cell for each row.
        needed: How much it is needed where there is little room: the least needed go first, those with 0 stay.
        hangs: Whether a text that is too long may hang below its row.
    """

    title: str
    cells: Sequence[Cell]
    needed: int = 0
    hangs: bool = False

    @property
    def width(self) -> int:
        """What it takes to show it."""
        return max(len(self.title), *(len(cell.text) for cell in self.cells))

    def without_longer(self, most: float) -> Column:
        """The column without the texts that are to hang."""
        if not self.hangs:
            return self
        return self._replace(cells=[cell if len(cell.text) <= most else Cell() for cell in self.cells])


def lay_out(columns: Sequence[Column], notes: Sequence[Cell], room: int | None) -> Iterator[str]:
    """The lines of a table.

    Args:
        columns: Its columns. One without any text is left out.
        notes: What there is to say of each row: at its end where there is room, else below it.
        room: How many characters a line has, or None for any number.
    """
    columns = [column for column in columns if any(cell.text for cell in column.cells)]
    with_notes = [*columns, Column("NOTE", notes)] if any(note.text for note in notes) else columns
    if room is None or _width(with_notes) <= room:
        yield from _rows(with_notes)
        return
    fitting = _fit(columns, room)
    head, *rows = _rows(fitting)
    yield head
    for number, row in enumerate(rows):
        yield row
        for column in fitting:
            original = next(other for other in columns if other.title == column.title)
            if column.cells[number] != original.cells[number]:
                yield _INDENT + original.cells[number].shown()
        if notes[number : number + 1] != notes[number + 1 : number + 2]:  # the same for several rows: said once
            yield from _wrapped(notes[number], room)


def _fit(columns: Sequence[Column], room: int) -> list[Column]:
    """The columns that there is room for, without the texts that are to hang."""
    fitting = [column.without_longer(room * _MOST) for column in columns]
    while _width(fitting) > room and (least := min((c.needed for c in fitting if c.needed), default=0)):
        fitting = [column for column in fitting if column.needed != least]
    left = room - _width([column for column in fitting if not column.hangs]) - len(_GAP)
    return [column.without_longer(left) for column in fitting]


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _rows(columns: Sequence[Column]) -> Iterator[str]:
    yield _line([Cell(column.title, "dim") for column in columns], columns)
    for row in range(len(columns[0].cells)):
        yield _line([column.cells[row] for column in columns], columns)


def _line(cells: Sequence[Cell], columns: Sequence[Column]) -> str:
    return _GAP.join(cell.shown(column.width) for cell, column in zip(cells, columns, strict=True)).rstrip()


def _wrapped(note: Cell, room: int) -> Iterator[str]:
    for line in textwrap.wrap(note.text, room - len(_INDENT), break_long_words=False, break_on_hyphens=False):
        yield _INDENT + note._replace(text=line).shown()
