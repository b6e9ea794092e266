"""A file of payments: which of its rows can be asked for, and what is wrong with the others.

Pure. A table of texts comes in; what goes out is a request or the faults of each row. Amounts are
read from their text and never pass through a float.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.domain.bulk_columns import REQUIRED, Column, recognize
from bot.domain.bulk_fields import BulkRules, read_row
from bot.domain.bulk_row import Fault, RowRequest, Same
from bot.domain.cards import hide_cards, holds_card

MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 10_000
MAX_COLUMNS = 50
MAX_CELL_CHARS = 1_000

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


class FileError(ValueError):
    """The file as a whole cannot be taken; `code` names why, `detail` what it is about.

    Codes: empty, too_large, not_a_table, old_excel, broken, too_many_rows, too_many_columns,
    cell_too_long, missing_columns, column_twice.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        """Keep what a text is chosen by."""
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet of texts: headings, and rows with the number that the sheet shows for them."""

    headings: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class BulkRow:
    """One checked row: a request if nothing is wrong with it; its cells by heading either way.

    `is_again` marks a right row that asks somebody for a sum that they are asked for elsewhere too.
    """

    number: int
    cells: Mapping[str, str]
    request: RowRequest | None
    faults: tuple[Fault, ...] = ()
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file adds up to; sums in minor units by currency, of the right rows only."""

    right: int = 0
    wrong: int = 0
    sums: Mapping[str, int] = field(default_factory=dict)
    countries: Mapping[str, int] = field(default_factory=dict)
    channels: Mapping[str, int] = field(default_factory=dict)
    without_reference: int = 0
    again: int = 0

    @property
    def total(self) -> int:
        """All rows."""
        return self.right + self.wrong


def check(table: Table, rules: BulkRules) -> list[BulkRow]:
    """Check every row of a table by itself and against the others.

    What is on the books already is looked up later, with `mark_known`.

    Raises:
        FileError: columns are missing or there twice, or there are no rows or too many.
    """
    columns = _columns(table)
    headings = unique_headings([hide_cards(heading) for heading in table.headings])
    rows = [_check_row(number, cells, headings, columns, rules) for number, cells in table.rows]
    return list(_without_sames(_without_repeats(rows)))


def _columns(table: Table) -> dict[Column, int]:
    if not table.rows:
        raise FileError("empty")
    if len(table.rows) > MAX_ROWS:
        raise FileError("too_many_rows", str(MAX_ROWS))
    found: dict[Column, int] = {}
    for place, heading in enumerate(table.headings):
        column = recognize(heading)
        if column is None:
            continue
        if column in found:
            raise FileError("column_twice", heading[:40])
        found[column] = place
    missing = [column.value for column in REQUIRED if column not in found]
    if missing:
        raise FileError("missing_columns", ", ".join(missing))
    return found


def unique_headings(headings: Sequence[str]) -> list[str]:
    """The headings as keys: a repeated or empty one gets its place."""
    counts = Counter(headings)
    return [
        heading if heading and counts[heading] == 1 else f"{heading} ({place})".strip()
        for place, heading in enumerate(headings, start=1)
    ]


def _check_row(
    number: int,
    cells: tuple[str, ...],
    headings: Sequence[str],
    columns: Mapping[Column, int],
    rules: BulkRules,
) -> BulkRow:
    padded = [*cells, *[""] * (len(headings) - len(cells))]
    kept = dict(zip(headings, map(hide_cards, padded), strict=False))
    if any(map(holds_card, cells)):
        return BulkRow(number, kept, None, (Fault("card_number"),))
    if any(cells[len(headings) :]):
        return BulkRow(number, kept, None, (Fault("too_many_cells"),))
    texts = {column: padded[place].strip() for column, place in columns.items()}
    request, faults = read_row(texts, rules)
    return BulkRow(number, kept, request, tuple(faults))


def _without_repeats(rows: Sequence[BulkRow]) -> Iterator[BulkRow]:
    """Let each reference stand once: the first row with it wins."""
    first: dict[str, int] = {}
    for row in rows:
        reference = None if row.request is None else row.request.reference
        if reference is None:
            yield row
        elif reference in first:
            yield with_fault(row, Fault("reference_twice", str(first[reference])))
        else:
            first[reference] = row.number
            yield row


def _without_sames(rows: Iterable[BulkRow]) -> Iterator[BulkRow]:
    """Let nobody be asked for one sum twice by a slip: only a reference says that it is meant."""
    first: dict[Same, int] = {}
    for row in rows:
        if row.request is None:
            yield row
        elif row.request.same in first:
            yield _once_more(row, Fault("same_twice", str(first[row.request.same])))
        else:
            first[row.request.same] = row.number
            yield row


def _once_more(row: BulkRow, fault: Fault) -> BulkRow:
    is_meant = row.request is not None and row.request.reference is not None
    return replace(row, is_again=True) if is_meant else with_fault(row, fault)


def with_fault(row: BulkRow, fault: Fault) -> BulkRow:
    """The row as one that cannot be sent."""
    return replace(row, request=None, faults=(*row.faults, fault))


def references(rows: Sequence[BulkRow]) -> list[str]:
    """The references that the right rows carry."""
    return [row.request.reference for row in rows if row.request and row.request.reference]


def mark_known(rows: Sequence[BulkRow], known: Collection[str]) -> list[BulkRow]:
    """Take out the rows whose reference belongs to a payment on the books."""
    return [
        with_fault(row, Fault("reference_known"))
        if row.request is not None and row.request.reference in known
        else row
        for row in rows
    ]


def mark_asked(rows: Sequence[BulkRow], asked: Collection[Same]) -> list[BulkRow]:
    """Mark the rows that ask for what was asked just now; only a reference lets one go."""
    return [
        _once_more(row, Fault("same_now"))
        if row.request is not None and row.request.same in asked
        else row
        for row in rows
    ]


def summarize(rows: Sequence[BulkRow]) -> Summary:
    """Add up the right rows and count the wrong ones."""
    right = [row.request for row in rows if row.request is not None]
    sums: Counter[str] = Counter()
    for request in right:
        sums[request.money.currency] += request.money.minor
    return Summary(
        right=len(right),
        wrong=len(rows) - len(right),
        sums=dict(sorted(sums.items())),
        countries=dict(Counter(request.country for request in right).most_common()),
        channels=dict(Counter(request.route[0] for request in right).most_common()),
        without_reference=sum(request.reference is None for request in right),
        again=sum(row.is_again for row in rows if row.request is not None),
    )


def neutral(cell: str) -> str:
    """A cell that no spreadsheet runs: what could be a formula gets an apostrophe in front.

    Source: OWASP, "CSV Injection". Telephone numbers with a plus get one too; `plain` takes it off.
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def plain(cell: str) -> str:
    """A cell without the apostrophe that `neutral` put there."""
    is_quoted = cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS)
    return cell[1:] if is_quoted else cell
