"""Bytes of a bulk file: what people and spreadsheets really send, and what means harm."""

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest
from openpyxl import Workbook

from bot.bulkfiles import read_table, write_csv
from bot.domain.bulk import MAX_BYTES, FileError, Table

TEXT = "Teléfono;Monto;Nombre\r\n55550101;150.00;Ana Núñez\r\n55550102;7;Beto\r\n"
EXPECTED = Table(
    ("Teléfono", "Monto", "Nombre"),
    ((2, ("55550101", "150.00", "Ana Núñez")), (3, ("55550102", "7", "Beto"))),
)


def xlsx(*rows: Sequence[object], sheets: int = 1) -> bytes:
    book = Workbook(write_only=True)
    for _ in range(sheets):
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        TEXT.replace(";", ",").encode(),
        TEXT.replace(";", "\t").encode(),
        ("sep=;\r\n" + TEXT).encode(),
        TEXT.replace("\r\n", "\n").encode(),
        TEXT.replace("\r\n", "\r\n;;\r\n").encode(),
        ("\r\n\r\n" + TEXT).encode(),
        TEXT.replace("Ana Núñez", '"Ana Núñez"').encode(),
        xlsx(
            ("Teléfono", "Monto", "Nombre"),
            (55550101, "150.00", "Ana Núñez"),
            ("55550102", 7, "Beto"),
        ),
    ],
    ids=range(14),
)
def test_a_file_is_read_however_it_was_written(content: bytes) -> None:
    found = read_table(content)
    assert found.headings == EXPECTED.headings
    assert [cells for _, cells in found.rows] == [cells for _, cells in EXPECTED.rows]


def test_rows_have_the_number_that_the_sheet_shows() -> None:
    assert read_table(TEXT.encode()).rows == EXPECTED.rows
    skipping = xlsx(("telefono", "monto"), (1, 2), (None, None), (3, 4))
    assert [number for number, _ in read_table(skipping).rows] == [2, 4]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (150, "150"),
        (150.1, "150.1"),
        (1.1000000000000001, "1.1"),
        (0.1 + 0.2, "0.3"),
        (1234567.89, "1234567.89"),
        (50255551234.0, "50255551234"),
        (1e20, "100000000000000000000"),
        (0.00001, "0.00001"),
        (True, ""),
        (datetime(2026, 3, 31), "2026-03-31"),  # noqa: DTZ001 - a sheet knows no time zone
        (datetime(2026, 3, 31, 14, 5), "2026-03-31T14:05:00"),  # noqa: DTZ001 - the same
        ("'+50255551234", "+50255551234"),
    ],
)
def test_a_cell_reads_as_a_person_sees_it(value: object, text: str) -> None:
    [(_, cells)] = read_table(xlsx(("a", "b"), (value, "x"))).rows
    assert cells == (text, "x")


def test_a_number_is_read_to_the_digits_that_excel_shows() -> None:
    content = rewritten(xlsx(("a", "b"), (777, 888)), b"<v>777</v>", b"<v>1.1000000000000001</v>")
    content = rewritten(content, b"<v>888</v>", b"<v>0.30000000000000004</v>")
    assert read_table(content).rows == ((2, ("1.1", "0.3")),)


def rewritten(content: bytes, old: bytes, new: bytes) -> bytes:
    """A workbook whose first sheet says something that openpyxl would not write."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as read, zipfile.ZipFile(changed, "w") as written:
        for name in read.namelist():
            text = read.read(name)
            if name.endswith("sheet1.xml"):
                assert old in text
                text = text.replace(old, new, 1)
            written.writestr(name, text)
    return changed.getvalue()


def bomb() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/workbook.xml", "<workbook/>")
        package.writestr("xl/worksheets/sheet1.xml", b"0" * (60 * 1024 * 1024))
    return content.getvalue()


def package(**parts: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name, text in parts.items():
            made.writestr(name.replace("__", "/") + ".xml", text)
    return content.getvalue()


def sheet_with_dtd() -> bytes:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    source = xlsx(("telefono", "monto"), ("55550101", "1"))
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.endswith("sheet1.xml"):
                text = (
                    f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><worksheet xmlns='
                    '"http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
                    '<row r="1"><c t="str"><v>&l9;</v></c></row></sheetData></worksheet>'
                ).encode()
            new.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"", "empty"),
        (lambda: b" \r\n \n", "empty"),
        (lambda: b";;;\r\n;;\r\n", "empty"),
        (lambda: b"x" * (MAX_BYTES + 1), "too_large"),
        (bomb, "too_large"),
        (lambda: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", "not_a_table"),
        (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\x01\x02\x81", "not_a_table"),
        (lambda: b"\xff\xfea", "not_a_table"),
        (lambda: b"a;b\n\x00\x01\x02", "not_a_table"),
        (lambda: package(word__document="<x/>"), "not_a_table"),
        (lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old_excel"),
        (lambda: b"PK\x03\x04" + b"broken" * 30, "broken"),
        (lambda: package(xl__workbook="<workbook"), "broken"),
        (lambda: xlsx(("telefono", "monto"), ("1", "2"))[:-40], "broken"),
        (sheet_with_dtd, "broken"),
        (lambda: b'telefono;monto\n"55550101;1\n', "broken"),
        (lambda: ("telefono;monto\n1;" + "x" * 1001).encode(), "cell_too_long"),
        (lambda: ("telefono;monto\n1;" + "x" * 200_000).encode(), "cell_too_long"),
        (lambda: xlsx(("telefono", "monto"), ("1", "x" * 2000)), "cell_too_long"),
        (lambda: (";".join(["a"] * 100) + "\n").encode(), "too_many_columns"),
        (lambda: xlsx(["a"] * 300), "too_many_columns"),
        (lambda: b"telefono;monto\n" + b"1;2\n" * 10_001, "too_many_rows"),
    ],
    ids=range(22),
)
def test_what_is_no_file_of_rows_is_refused_by_its_name(
    make: Callable[[], bytes], code: str
) -> None:
    with pytest.raises(FileError) as caught:
        read_table(make())
    assert caught.value.code == code


def test_only_the_first_sheet_counts_and_a_lie_about_its_size_costs_nothing() -> None:
    content = xlsx(("telefono", "monto"), ("55550101", "1"), sheets=3)
    size = b'<dimension ref="A1:XFD1048576"/><sheetData>'
    assert len(read_table(rewritten(content, b"<sheetData>", size)).rows) == 1


def test_what_we_write_opens_in_a_spreadsheet_and_runs_nothing() -> None:
    rows = [("+50255550101", "=1+1", 'Ana "la jefa", S.A.', "a\nb"), ("1", "-5", "@x", "ñ")]
    content = write_csv(("telefono", "a", "b", "c"), rows)
    assert content.startswith(b"\xef\xbb\xbf")
    raw = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert raw[1] == ["'+50255550101", "'=1+1", 'Ana "la jefa", S.A.', "a\nb"]
    assert raw[2] == ["1", "'-5", "'@x", "ñ"]
    assert [cells for _, cells in read_table(content).rows] == rows
