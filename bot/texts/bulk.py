"""The words of a bulk file's reasons, states and columns."""

from collections.abc import Mapping, Sequence

from bot.domain.bulk_row import read_faults
from bot.texts.phrases import Phrases


class BulkWords:
    """Words for one reader; no time is ever written, so no zone is needed."""

    def __init__(self, phrases: Phrases, locale: str | None) -> None:
        """Keep whose words."""
        self._phrases = phrases
        self._locale = locale

    def say(self, key: str, **values: object) -> str:
        """A phrase about bulk files, as `column_row` or `state.sent`.

        Raises:
            KeyError: there is none.
        """
        return self._phrases.render(f"bulk.{key}", self._locale, values, "UTC")

    def reasons(self, kept: str | None) -> str:
        """What `write_faults` wrote, in words, as "the phone is missing; the amount …"."""
        return "; ".join(
            self.say(f"fault.{fault.code}", detail={"reason": fault.detail})
            for fault in read_faults(kept)
        )

    def columns(self, names: Sequence[str]) -> list[str]:
        """Headings of columns that we add."""
        return [self.say(f"column_{name}") for name in names]


Report = Sequence[Mapping[str, object]]
"""Rows as `bot.handlers.bulk_report` gives them."""

ERROR_COLUMNS = ("row", "reason")
RESULT_COLUMNS = ("row", "state", "channel", "link", "reason", "payment")


def report_table(
    words: BulkWords, report: Report, columns: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """A report as headings and rows of texts: our columns first, then what the file said.

    Args:
        words: for one reader.
        report: its rows.
        columns: which of our columns, `ERROR_COLUMNS` or `RESULT_COLUMNS`.
    """
    given = list(_cells(report[0])) if report else []
    rows = [
        [*(_worded(words, name, row) for name in columns), *_cells(row).values()] for row in report
    ]
    return [*words.columns(columns), *given], rows


def _cells(row: Mapping[str, object]) -> Mapping[str, str]:
    cells = row.get("cells")
    return cells if isinstance(cells, dict) else {}


def _worded(words: BulkWords, name: str, row: Mapping[str, object]) -> str:
    value = row.get(name)
    if value is None:
        return ""
    match name:
        case "reason":
            return words.reasons(str(value))
        case "state":
            return words.say(f"state.{value}")
        case _:
            return str(value)
