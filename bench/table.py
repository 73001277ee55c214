"""Plain text tables, numbers to the right."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Table:
    """A title, the names of the columns, the rows, and sentences that say how to read them."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Appends a row; floats get about three significant digits."""
        self.rows.append([shown(cell) for cell in cells])

    def __str__(self) -> str:
        widths = [max(len(row[i]) for row in [self.columns, *self.rows]) for i in range(len(self.columns))]
        lines = [_line(self.columns, widths), _line(["-" * width for width in widths], widths)]
        lines += [_line(row, widths) for row in self.rows]
        return "\n".join([self.title, "", *lines, *([""] if self.notes else []), *self.notes]) + "\n"

    def markdown(self) -> str:
        """The same for a document."""
        head = ["|" + "|".join(self.columns) + "|", "|" + "---|" * len(self.columns)]
        rows = ["|" + "|".join(row) + "|" for row in self.rows]
        return "\n".join([*head, *rows, *([""] if self.notes else []), *self.notes]) + "\n"


def shown(cell: object) -> str:
    """A cell as it is printed; None is a dash."""
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.0f}" if abs(cell) >= 100 else f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}"


def _line(cells: list[str], widths: list[int]) -> str:
    first, *rest = [
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join([first, *rest]).rstrip()
