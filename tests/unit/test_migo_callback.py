import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.money import Money
from bot.migo import (
    AmountUnit,
    Callback,
    CallbackError,
    CallbackGate,
    ExternalId,
    MigoStatus,
    check_callback,
    parse_callback,
)

OLD = "0123456789abcdef-old"
NEW = "0123456789abcdef-new"
STANDARD = {
    "uid": "Ypo5z2zTpLqWoe3eVvZMH",
    "reference": "CAMPGT020007SB",
    "status": "approved",
    "amount": 15000,
    "currency": "GTQ",
}


def parsed_with(changes: dict[str, object], unit: AmountUnit = AmountUnit.MINOR) -> Callback:
    return parse_callback(json.dumps(STANDARD | changes).encode(), unit=unit)


def parsed(**changes: object) -> Callback:
    return parsed_with(changes)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_each_configured_secret_opens(secret: str) -> None:
    assert check_callback({"x-api-key": secret}, header="X-Api-Key", secrets=(OLD, NEW))


def test_the_gate_tells_which_secret_was_used() -> None:
    gate = CallbackGate("x-api-key", (OLD, NEW))
    assert gate.matching({"X-API-Key": NEW}) == 1
    assert gate.matching({"x-api-key": OLD}) == 0
    assert gate.matching({"x-api-key": "else"}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": " "},
        {"x-api-key": OLD[:-1]},
        {"x-api-key": OLD + "x"},
        {"x-api-key": OLD.upper()},
        {"x-api-key": "ñ" * 20},
        {"x-api-key": "\udcff" * 20},
        {"x-api-key": f"{OLD},{NEW}"},
        {"x-api-key": f"Bearer {OLD}"},
        {"authorization": OLD},
        {"x-api-key": OLD, "X-Api-Key": OLD},
    ],
)
def test_anything_else_stays_out(headers: dict[str, str]) -> None:
    assert not check_callback(headers, header="x-api-key", secrets=(OLD, NEW))


@pytest.mark.parametrize("value", [OLD, f"Bearer {OLD}", f"bearer  {OLD}", f"BEARER {OLD}"])
@pytest.mark.parametrize("configured", [OLD, f"Bearer {OLD}"])
def test_authorization_with_and_without_its_scheme(value: str, configured: str) -> None:
    assert check_callback({"authorization": value}, header="Authorization", secrets=(configured,))


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", f"Basic {OLD}", f"BearerX {OLD}"])
def test_other_schemes_stay_out(value: str) -> None:
    assert not check_callback({"authorization": value}, header="authorization", secrets=(OLD,))


@pytest.mark.parametrize(
    "secrets",
    [(), ("",), ("   ",), ("short",), (OLD, ""), (OLD, "short"), ("ñ" * 20,), ("two words, long",)],
)
def test_an_open_gate_cannot_be_built(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="secret"):
        CallbackGate("x-api-key", secrets)


def test_a_scheme_alone_is_no_secret() -> None:
    with pytest.raises(ValueError, match="secret"):
        CallbackGate("authorization", ("Bearer short",))


def test_a_gate_needs_a_header() -> None:
    with pytest.raises(ValueError, match="header"):
        CallbackGate(" ", (OLD,))


def test_no_secret_shows_in_the_gate() -> None:
    assert OLD not in repr(CallbackGate("x-api-key", (OLD,)))


def test_the_standard_payload() -> None:
    body = json.dumps(STANDARD).encode()
    assert parse_callback(body, unit=AmountUnit.MINOR) == Callback(
        uid="Ypo5z2zTpLqWoe3eVvZMH",
        status=MigoStatus.APPROVED,
        status_text="approved",
        body_hash=hashlib.sha256(body).hexdigest(),
        reference="CAMPGT020007SB",
        money=Money(15000, "GTQ"),
        amount_text="15000",
        currency="GTQ",
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("approved", MigoStatus.APPROVED),
        ("denied", MigoStatus.DENIED),
        ("refunded", MigoStatus.REFUNDED),
        ("reversed", MigoStatus.REVERSED),
        (" APPROVED\n", MigoStatus.APPROVED),
        ("Refunded", MigoStatus.REFUNDED),
        ("expired", MigoStatus.OTHER),
        ("other", MigoStatus.OTHER),
        ("approved!", MigoStatus.OTHER),
        ("", MigoStatus.OTHER),
        ("x" * 10_000, MigoStatus.OTHER),
        (None, MigoStatus.OTHER),
        (True, MigoStatus.OTHER),
        (["approved"], MigoStatus.OTHER),
        (200, MigoStatus.OTHER),
    ],
)
def test_statuses(text: object, status: MigoStatus) -> None:
    assert parsed(status=text).status is status


def test_an_unknown_status_keeps_its_words() -> None:
    assert parsed(status=" In_Progress ").status_text == "In_Progress"


@pytest.mark.parametrize(
    ("amount", "money", "text"),
    [
        (15000, Money(15000, "GTQ"), "15000"),
        ("15000", Money(15000, "GTQ"), "15000"),
        (15000.0, Money(15000, "GTQ"), "15000.0"),
        (150.5, None, "150.5"),
        (-1, None, "-1"),
        ("Q150", None, "Q150"),
        (None, None, None),
        (True, None, None),
        ({"value": 1}, None, None),
    ],
)
def test_amounts(amount: object, money: Money | None, text: str | None) -> None:
    callback = parsed(amount=amount)
    assert (callback.money, callback.amount_text) == (money, text)


def test_the_unit_decides_what_a_number_is() -> None:
    assert parsed_with({"amount": 150}, AmountUnit.MAJOR).money == Money(15000, "GTQ")
    assert parsed_with({"amount": 150}, AmountUnit.MINOR).money == Money(150, "GTQ")


@pytest.mark.parametrize(
    ("currency", "money"),
    [
        ("gtq", Money(15000, "GTQ")),
        (" USD ", Money(15000, "USD")),
        ("QQQ", None),
        ("", None),
        (None, None),
        (840, None),
    ],
)
def test_currencies(currency: object, money: Money | None) -> None:
    assert parsed(currency=currency).money == money


def test_fields_may_be_missing_or_new() -> None:
    callback = parse_callback(b'{"uid": "abc", "card": {"last4": "4242"}}', unit=AmountUnit.MINOR)
    assert callback.uid == "abc"
    assert callback.status is MigoStatus.OTHER
    assert callback.money is None
    assert callback.external_id is None


@pytest.mark.parametrize(
    "extra",
    [
        {"externalId": "pay_1.2"},
        {"externalId": " pay_1.2 "},
        {"customKeys": {"externalId": "pay_1.2"}},
        {"externalId": None, "customKeys": {"externalId": "pay_1.2", "other": 1}},
        {"externalId": "theirs", "customKeys": {"externalId": "pay_1.2"}},
    ],
)
def test_our_own_name_comes_back(extra: dict[str, object]) -> None:
    assert parsed_with(extra).external_id == ExternalId("pay_1", 2)
    assert str(ExternalId("pay_1", 2)) == "pay_1.2"


@pytest.mark.parametrize(
    "value", ["", "pay", "pay.", ".1", "pay.0", "pay.01", "pay.-1", "pay.x", "a b.1", 7, [], "p.٢"]
)
def test_what_is_not_our_name_is_ignored(value: object) -> None:
    assert parsed(externalId=value, customKeys=value).external_id is None


def test_a_payment_id_may_hold_dots() -> None:
    assert parsed(externalId="a.b.3").external_id == ExternalId("a.b", 3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff",
        b"[]",
        b'"approved"',
        b"null",
        b"{}",
        b'{"uid": null}',
        b'{"uid": ""}',
        b'{"uid": "  "}',
        b'{"uid": ["a"]}',
        b'{"uid": true}',
        b'{"uid": "a\\nb"}',
        b'{"uid": "a\\u0000"}',
        b'{"uid": "' + b"a" * 201 + b'"}',
        b'{"uid": "a", "uid": "b"}',
        b'{"uid": "a", "amount": NaN}',
        b'{"uid": "a", "amount": ' + b"9" * 5000 + b"}",
        b'{"uid": "a", "amount": 1e5000}',
        b'{"uid": "a", "status": "\\ud800"}',
        b'{"uid": "a", "customKeys": {"externalId": "p.1", "externalId": "p.2"}}',
        b'{"uid": "a", "x": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"uid": "a", "x": [' + b"0," * 1000 + b"0]}",
    ],
)
def test_what_cannot_be_trusted_is_a_callback_error(body: bytes) -> None:
    with pytest.raises(CallbackError):
        parse_callback(body, unit=AmountUnit.MINOR)


@pytest.mark.parametrize(
    "unknown",
    [
        b'"authorization": 12345678901234567890',
        b'"meta": {"note": "a\\u0000b"}',
        b'"meta": {"note": "a\nb"}',
        b'"meta": {"n": "\\ud83d"}',
        b'"card": "Mu\xf1oz"',
        b'"fee": Infinity, "tax": NaN, "rate": 1e5000',
        b'"x": ' + b"9" * 5000,
        b'"x": 1, "x": 2',
        b'"meta": {"a": 1, "a": 2}, "list": [12345678901234567890, {"a": NaN}]',
        b'"customKeys": {"note": NaN, "externalId": "pay_1.1"}',
    ],
)
def test_what_is_in_a_field_that_nobody_reads_hurts_nobody(unknown: bytes) -> None:
    known = b'"uid": "a", "status": "approved", "amount": 15000, "currency": "GTQ"'
    callback = parse_callback(b"{" + known + b", " + unknown + b"}", unit=AmountUnit.MINOR)
    assert (callback.uid, callback.status) == ("a", MigoStatus.APPROVED)
    assert callback.money == Money(15000, "GTQ")


def test_what_cannot_be_read_still_names_what_it_is_about() -> None:
    body = b'{"uid": "tx-1", "reference": "R 7", "amount": NaN, "ref": 1, "reference":"AB12"}'
    with pytest.raises(CallbackError, match=r"in amount; it names uid tx-1, reference AB12$"):
        parse_callback(body, unit=AmountUnit.MINOR)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        parse_callback(body, unit=AmountUnit.MAJOR)
    except CallbackError:
        return
    assert b"uid" in body


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.sampled_from([*STANDARD, "externalId", "customKeys", "client", "more"])


@given(st.dictionaries(FIELDS, JSON_VALUES), st.sampled_from(AmountUnit))
def test_no_document_raises_anything_else(changes: dict[str, object], unit: AmountUnit) -> None:
    body = json.dumps(STANDARD | changes).encode()
    try:
        callback = parse_callback(body, unit=unit)
    except CallbackError:
        return
    assert callback.uid
    assert callback.body_hash == hashlib.sha256(body).hexdigest()


@given(st.data())
def test_no_damaged_body_raises_anything_else(data: st.DataObject) -> None:
    body = bytearray(json.dumps(STANDARD).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        callback = parse_callback(bytes(body), unit=AmountUnit.MINOR)
    except CallbackError:
        return
    assert callback.uid
