"""Makes the documents that go with a message out of the rows that its outbox row keeps."""

from collections.abc import Mapping
from pathlib import PurePath

from bot.bulkfiles import write_csv
from bot.texts.bulk import ERROR_COLUMNS, RESULT_COLUMNS, BulkWords, report_table
from bot.texts.phrases import Phrases
from channels.base import File, Limits

_COLUMNS = {"errors": ERROR_COLUMNS, "result": RESULT_COLUMNS}
_LINES = {"errors": ("row", "reason"), "result": ("row", "state", "reason")}
_SHOWN = 10
_LINE_CHARS = 90
"""Ten such lines and a summary fit into one WhatsApp message."""


def file_of(kept: object, limits: Limits, phrases: Phrases, locale: str | None) -> File | None:
    """The report of a bulk file as CSV; None if there is none, or the channel takes no files.

    Args:
        kept: `{"report": "errors" or "result", "filename": …, "lines": […]}`.
        limits: of the channel.
        phrases: words for reasons and states.
        locale: the reader's.

    Raises:
        KeyError: it is a report that nobody knows.
    """
    if not isinstance(kept, Mapping) or not limits.has_file:
        return None
    words = BulkWords(phrases, locale)
    columns, rows = report_table(words, kept["lines"], _COLUMNS[kept["report"]])
    stem = PurePath(str(kept["filename"])).stem
    return File(write_csv(columns, rows), f"{stem}.{kept['report']}.csv")


def lines_of(kept: object, limits: Limits, phrases: Phrases, locale: str | None) -> str:
    """The first rows of a report as lines, where a channel takes no files; empty for none.

    Raises:
        KeyError: it is a report that nobody knows.
    """
    if not isinstance(kept, Mapping) or limits.has_file:
        return ""
    words = BulkWords(phrases, locale)
    names = _LINES[kept["report"]]
    _, rows = report_table(words, [{**each, "cells": {}} for each in kept["lines"]], names)
    shown = [" · ".join(filter(None, row))[:_LINE_CHARS] for row in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        shown.append(words.say("more_rows", more=len(rows) - _SHOWN))
    return "\n".join(shown)
