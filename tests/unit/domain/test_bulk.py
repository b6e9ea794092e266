"""Rows of a bulk file: what they ask for, what is wrong with them, and what leaves us again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.bulk import (
    FileError,
    Table,
    check,
    mark_asked,
    mark_known,
    neutral,
    plain,
    references,
    summarize,
)
from bot.domain.bulk_columns import Column, recognize
from bot.domain.bulk_fields import BulkRules
from bot.domain.bulk_row import Fault, RowRequest, read_faults, read_request, write_faults
from bot.domain.money import Money

NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)
RULES = BulkRules(
    region="GT",
    currencies=frozenset({"GTQ", "USD"}),
    channels=frozenset({"whatsapp", "sms", "email", "web"}),
    route=("whatsapp", "sms", "email"),
    now=NOW,
    time_zone="America/Guatemala",
)
GOOD = {"telefono": "5555 0101", "monto": "150.00", "moneda": "GTQ"}


def table(*rows: dict[str, str]) -> Table:
    headings = tuple(dict.fromkeys(name for row in rows for name in row))
    cells = [tuple(row.get(name, "") for name in headings) for row in rows]
    return Table(headings, tuple(enumerate(cells, start=2)))


def one(**cells: str) -> RowRequest:
    [row] = check(table(GOOD | cells), RULES)
    assert row.request is not None, row.faults
    return row.request


def codes(**cells: str) -> list[str]:
    [row] = check(table(GOOD | cells), RULES)
    return [str(fault) for fault in row.faults]


def test_a_right_row_asks_for_a_payment() -> None:
    found = one(
        nombre="Ana",
        concepto="Mensualidad",
        referencia="A-1",
        correo="ana@example.com",
        idioma="pt",
    )
    assert found == RowRequest(
        phone="+50255550101",
        country="GT",
        money=Money(15000, "GTQ"),
        route=("whatsapp", "sms", "email"),
        name="Ana",
        email="ana@example.com",
        locale="pt-BR",
        concept="Mensualidad",
        reference="A-1",
    )
    assert read_request(found.document()) == found


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("Teléfono", Column.PHONE),
        ("  CELULAR ", Column.PHONE),
        ("phone_number", Column.PHONE),
        ("Telefone", Column.PHONE),
        ("Monto:", Column.AMOUNT),
        ("Preço", Column.AMOUNT),
        ("amount", Column.AMOUNT),
        ("Moeda", Column.CURRENCY),
        ("Descripción", Column.CONCEPT),
        ("Factura", Column.REFERENCE),
        ("Correo electrónico", Column.EMAIL),
        ("E-mail", Column.EMAIL),
        ("Canal", Column.CHANNEL),
        ("Vence", Column.DUE),
        ("Data de vencimento", Column.DUE),
        ("País", Column.COUNTRY),
        ("Observaciones", None),
        ("", None),
    ],
)
def test_columns_are_known_in_three_languages(heading: str, column: Column | None) -> None:
    assert recognize(heading) is column


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"telefono": ""}, ["phone_missing"]),
        ({"telefono": "12"}, ["phone_too_short"]),
        ({"telefono": "no tiene"}, ["phone_not_a_number"]),
        ({"telefono": "5555 0101 / 5555 0102"}, ["phone_too_long"]),
        ({"telefono": "+50371234567", "pais": "GT"}, ["phone_abroad=SV"]),
        ({"pais": "Atlántida"}, ["country_unknown"]),
        ({"monto": ""}, ["amount_missing"]),
        ({"monto": "-5"}, ["amount_wrong"]),
        ({"monto": "0"}, ["amount_wrong"]),
        ({"monto": "1,500"}, ["amount_two_ways"]),
        ({"monto": "150.005"}, ["amount_two_ways"]),
        ({"monto": "1e3"}, ["amount_wrong"]),
        ({"moneda": ""}, ["currency_missing=GTQ, USD"]),
        ({"moneda": "EUR"}, ["currency_off=GTQ, USD"]),
        ({"moneda": "quetzal"}, ["currency_off=GTQ, USD"]),
        ({"canal": "paloma"}, ["channel_unknown"]),
        ({"canal": "telegram"}, ["channel_off=telegram"]),
        ({"canal": "sms, SMS"}, ["channel_twice"]),
        ({"canal": "email"}, ["email_missing"]),
        ({"correo": "ana@"}, ["email_wrong"]),
        ({"concepto": "x" * 201}, ["concept_too_long=200"]),
        ({"nombre": "Ana\nLópez"}, ["name_not_a_line"]),
        ({"concepto": "cobrar a 4111 1111 1111 1111"}, ["card_number"]),
        ({"referencia": "4111111111111111"}, ["card_number"]),
        ({"nombre": "4111-1111-1111-1111"}, ["card_number"]),
        ({"idioma": "klingon"}, ["language_unknown"]),
        ({"vence": "pronto"}, ["due_wrong"]),
        ({"vence": "31/02/2026"}, ["due_wrong"]),
        ({"vence": "2026-02-28"}, ["due_past"]),
        ({"vence": "2027-03-01"}, ["due_far=90"]),
        ({"enviar": "05/03/2026", "vence": "04/03/2026"}, ["due_before_send"]),
        (
            {"telefono": "x", "monto": "y", "moneda": "z"},
            ["phone_not_a_number", "currency_off=GTQ, USD"],
        ),
    ],
)
def test_every_fault_of_a_row_is_named(cells: dict[str, str], expected: list[str]) -> None:
    assert codes(**cells) == expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"telefono": "50255550101"}, "+50255550101"),
        ({"telefono": "50371234567"}, "+50371234567"),
        ({"telefono": "7123 4567", "pais": "El Salvador"}, "+50371234567"),
        ({"telefono": "11 91234 5678", "pais": "br"}, "+5511912345678"),
    ],
)
def test_numbers_are_read_by_the_country_of_their_row(cells: dict[str, str], expected: str) -> None:
    assert one(**cells).phone == expected


def test_days_are_days_where_the_customer_is() -> None:
    found = one(enviar="02/03/2026", vence="2026-03-05")
    assert found.send_at == datetime(2026, 3, 2, 15, tzinfo=UTC)
    assert found.due_at == datetime(2026, 3, 6, 5, 59, tzinfo=UTC)
    assert one(enviar="01/03/2026").send_at is None


def test_a_route_is_read_in_order() -> None:
    assert one(canal="SMS > whatsapp").route == ("sms", "whatsapp")
    assert one().route == ("whatsapp", "sms")


def test_an_unquoted_comma_is_told_and_not_guessed() -> None:
    rows = check(Table(("telefono", "monto"), ((2, ("55550101", "1", "500.00")),)), RULES)
    assert [str(fault) for fault in rows[0].faults] == ["too_many_cells"]


def test_a_reference_stands_once() -> None:
    rows = check(table(*[GOOD | {"referencia": each} for each in ("A", "B", "A")]), RULES)
    assert [row.faults for row in rows] == [(), (), (Fault("reference_twice", "2"),)]
    assert references(rows) == ["A", "B"]
    marked = mark_known(rows, {"B"})
    assert [row.request is None for row in marked] == [False, True, True]
    assert marked[1].faults == (Fault("reference_known"),)


def test_a_file_adds_up_in_minor_units() -> None:
    rows = check(
        table(
            GOOD | {"referencia": "A"},
            GOOD | {"monto": "0.10", "telefono": "+50371234567"},
            GOOD | {"monto": "7", "moneda": "USD"},
            GOOD | {"monto": "x"},
        ),
        RULES,
    )
    summary = summarize(rows)
    assert (summary.right, summary.wrong, summary.total) == (3, 1, 4)
    assert summary.sums == {"GTQ": 15010, "USD": 700}
    assert summary.countries == {"GT": 2, "SV": 1}
    assert summary.without_reference == 2


@pytest.mark.parametrize(
    ("headings", "code"),
    [
        (("telefono", "nombre"), "missing_columns"),
        (("telefono", "monto", "importe"), "column_twice"),
    ],
)
def test_columns_that_do_not_make_a_file(headings: tuple[str, ...], code: str) -> None:
    with pytest.raises(FileError) as caught:
        check(Table(headings, ((2, ("55550101", "1", "1")),)), RULES)
    assert caught.value.code == code


def test_no_rows_and_too_many_rows() -> None:
    with pytest.raises(FileError, match="empty"):
        check(Table(("telefono", "monto"), ()), RULES)
    row = (2, ("55550101", "1"))
    with pytest.raises(FileError, match="too_many_rows"):
        check(Table(("telefono", "monto"), (row,) * 10_001), RULES)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_that_leaves_us_is_run(start: str) -> None:
    cell = f"{start}cmd|' /C calc'!A0"
    assert neutral(cell) == f"'{cell}"
    assert plain(neutral(cell)) == cell


@given(st.text(max_size=20))
def test_what_leaves_comes_back(cell: str) -> None:
    assert plain(neutral(plain(cell))) == plain(cell)


def test_faults_survive_being_kept() -> None:
    faults = [Fault("phone_too_short"), Fault("reference_twice", "17")]
    assert read_faults(write_faults(faults)) == faults
    assert read_faults(None) == []


def test_nobody_is_asked_for_one_sum_twice_by_a_slip() -> None:
    again = {"telefono": "+502 5555-0101", "monto": "150", "moneda": "GTQ"}
    other = GOOD | {"monto": "151.00"}
    meant = again | {"referencia": "B-2"}
    first, slip, third, fourth = check(table(GOOD, again, other, meant), RULES)
    assert [each.is_again for each in (first, third, fourth)] == [False, False, True]
    assert first.request is not None
    assert [str(fault) for fault in slip.faults] == ["same_twice=2"]
    assert fourth.request is not None
    assert summarize([first, slip, third, fourth]).again == 1


def test_what_was_asked_just_now_goes_again_only_with_a_reference() -> None:
    rows = check(table(GOOD, GOOD | {"monto": "7.00", "referencia": "C"}), RULES)
    asked = {("+50255550101", Money(15000, "GTQ")), ("+50255550101", Money(700, "GTQ"))}
    slip, meant = mark_asked(rows, asked)
    assert slip.request is None
    assert [str(fault) for fault in slip.faults] == ["same_now"]
    assert meant.is_again
