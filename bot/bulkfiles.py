"""Reads the bytes of a CSV or XLSX file into a table of texts, and writes rows as CSV.

Files come from people and are believed nothing: size, unpacked size, rows, columns and cells are
bounded before anything is built of them. Nothing is evaluated, nothing outside the file is read.
"""

import csv
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

from bot.domain.bulk import (
    MAX_BYTES,
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    MAX_ROWS,
    FileError,
    Table,
    neutral,
    plain,
)

MAX_UNPACKED_BYTES = 48 * 1024 * 1024
_MAX_PARTS = 500
_BLANK_ROWS_BEFORE_END = 500
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_DELIMITERS = (";", ",", "\t")
_WHAT_OPENPYXL_RAISES = (
    BadZipFile,
    ParseError,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    OSError,
    RuntimeError,
)


def read_table(content: bytes) -> Table:
    """Read a file by what it is, not by its name.

    Args:
        content: CSV with `,` `;` or tabs, in UTF-8, UTF-16 or Windows-1252; or XLSX, of which the
            first sheet is read.

    Raises:
        FileError: too large, too wide, too long, damaged, or something else altogether.
    """
    if len(content) > MAX_BYTES:
        raise FileError("too_large", str(MAX_BYTES // 1024 // 1024))
    if not content.strip():
        raise FileError("empty")
    if content.startswith(_OLE):
        raise FileError("old_excel")
    if content.startswith(_ZIP):
        return _table(_xlsx_rows(content))
    return _table(_csv_rows(_decoded(content)))


def _table(rows: Iterator[tuple[int, list[str]]]) -> Table:
    """Take the first row that is not blank as headings; blank rows after it are left out."""
    headings: tuple[str, ...] | None = None
    found: list[tuple[int, tuple[str, ...]]] = []
    for number, row in rows:
        cells = tuple(_cell(text) for text in _trimmed(row))
        if not cells:
            continue
        if headings is None:
            headings = cells
            continue
        found.append((number, cells))
        if len(found) > MAX_ROWS:
            raise FileError("too_many_rows", str(MAX_ROWS))
    if headings is None:
        raise FileError("empty")
    return Table(headings, tuple(found))


def _trimmed(row: list[str]) -> list[str]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    if end > MAX_COLUMNS:
        raise FileError("too_many_columns", str(MAX_COLUMNS))
    return row[:end]


def _cell(text: str) -> str:
    if len(text) > MAX_CELL_CHARS:
        raise FileError("cell_too_long", str(MAX_CELL_CHARS))
    return plain(text.strip(" \xa0").replace("\0", ""))


def _decoded(content: bytes) -> str:
    """The text of a CSV file.

    Raises:
        FileError: it is no text in any encoding that spreadsheets write.
    """
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not any(char < " " and char not in "\t\r\n" for char in text):
            return text
    raise FileError("not_a_table")


def _encodings(content: bytes) -> tuple[str, ...]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    # A NUL beside each Latin letter: UTF-16 of a program that leaves the mark out.
    if content[1:2] == b"\0":
        return ("utf-16-le",)
    if content[:1] == b"\0":
        return ("utf-16-be",)
    return ("utf-8-sig", "cp1252")


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.strip().lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        delimiter, text, skipped = first.strip()[-1], rest, 1
    else:
        delimiter = max(_DELIMITERS, key=lambda each: _outside_quotes(first, each))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num + skipped, row
    except csv.Error as error:
        too_long = "field larger" in str(error)
        raise FileError(
            *(("cell_too_long", str(MAX_CELL_CHARS)) if too_long else ("broken",))
        ) from None


def _outside_quotes(line: str, char: str) -> int:
    return sum(part.count(char) for part in line.split('"')[::2])


def _xlsx_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    _check_package(content)
    # A third of a second to bring in, which no start is to pay for.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        # What the file says of its own size may be a lie of a million rows.
        sheet.reset_dimensions()
        blank = 0
        for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            texts = [_text(value) for value in islice(row, MAX_COLUMNS * 4)]
            blank = 0 if any(texts) else blank + 1
            if blank > _BLANK_ROWS_BEFORE_END:
                return
            yield number, texts
    except FileError:
        raise
    except (InvalidFileException, *_WHAT_OPENPYXL_RAISES):
        raise FileError("broken") from None


def _check_package(content: bytes) -> None:
    """Look at the package's table of contents before anything of it is unpacked."""
    try:
        with ZipFile(io.BytesIO(content)) as package:
            parts = package.infolist()
            if len(parts) > _MAX_PARTS or any(part.flag_bits & 1 for part in parts):
                raise FileError("broken")
            if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise FileError("too_large", str(MAX_UNPACKED_BYTES // 1024 // 1024))
            if "xl/workbook.xml" not in package.namelist():
                raise FileError("not_a_table")
    except (BadZipFile, ValueError, NotImplementedError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError("broken") from None


def _text(value: object) -> str:
    """A cell as a person sees it in the sheet.

    A number is read back to the 15 digits that Excel keeps: it stores 1.1 as 1.1000000000000001.
    Source: Microsoft, "Excel specifications and limits", number precision 15 digits.
    """
    match value:
        case None | bool():
            return ""
        case int():
            return str(value)
        case float():
            return format(Decimal(f"{value:.15g}"), "f")
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)


def write_csv(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Write rows as Excel opens them: UTF-8 with its mark, and no cell that it would run."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in chain([headings], rows):
        writer.writerow([neutral(cell) for cell in row])
    return text.getvalue().encode("utf-8-sig")
