import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.identity import (
    EmailError,
    Phone,
    PhoneError,
    PhoneKind,
    PhoneProblem,
    is_same_person,
    mask,
    parse_email,
    parse_phone,
    person_key,
    region,
    spellings,
    time_zone,
)


@pytest.mark.parametrize(
    "raw",
    [
        "5555-1234",
        "5555 1234",
        "(502) 5555 1234",
        "50255551234",
        "0050255551234",
        "+502 5555-1234",
        "tel:+502 5555-1234",
        "tel:+50255551234",
        "whatsapp:+50255551234",
        "WhatsApp:+50255551234",
        "sms:+50255551234",
        "５５５５１２３４",
        "\u202a+502\u00a05555\u20111234\u202c",
        " 5555.1234 ",
    ],
)
def test_one_mobile_in_all_its_spellings(raw: str) -> None:
    assert parse_phone(raw, "GT") == Phone("+50255551234", "GT", PhoneKind.MOBILE)


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("2222-3333", "+50222223333"),
        ("7777 1234", "+50277771234"),
        ("+50224865444", "+50224865444"),
    ],
)
def test_landlines_are_taken(raw: str, e164: str) -> None:
    assert parse_phone(raw, "GT") == Phone(e164, "GT", PhoneKind.FIXED)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("1234-5678", PhoneProblem.NOT_IN_USE),
        ("555-1234", PhoneProblem.TOO_SHORT),
        ("1500", PhoneProblem.TOO_SHORT),
        ("5215512345678", PhoneProblem.TOO_LONG),
        ("9" * 30, PhoneProblem.TOO_LONG),
        ("9" * 10_000, PhoneProblem.TOO_LONG),
        ("+99955551234", PhoneProblem.UNKNOWN_COUNTRY),
        ("", PhoneProblem.NOT_A_NUMBER),
        ("+", PhoneProblem.NOT_A_NUMBER),
        ("mañana", PhoneProblem.NOT_A_NUMBER),
        ("call 5555-1234", PhoneProblem.NOT_A_NUMBER),
        ("5555-1234 or 2222-3333", PhoneProblem.NOT_A_NUMBER),
        ("1-800-FLOWERS", PhoneProblem.NOT_A_NUMBER),
        ("5555-1234;phone-context=+1", PhoneProblem.NOT_A_NUMBER),
        ("5555-1234 ext 4", PhoneProblem.EXTENSION),
        ("tel:+50255551234;ext=3", PhoneProblem.EXTENSION),
        ("+18003569377", PhoneProblem.NOT_PERSONAL),
        ("+80012345678", PhoneProblem.NOT_PERSONAL),
        ("+15551234567", PhoneProblem.NOT_IN_USE),
        ("+52 1 00 1234 5678", PhoneProblem.NOT_IN_USE),
    ],
)
def test_what_is_nobodys_phone_is_refused_with_its_reason(raw: str, problem: PhoneProblem) -> None:
    with pytest.raises(PhoneError) as caught:
        parse_phone(raw, "GT")
    assert caught.value.problem is problem


@pytest.mark.parametrize("problem", PhoneProblem)
def test_every_problem_has_words(problem: PhoneProblem) -> None:
    assert len(str(PhoneError(problem))) > 10


def test_a_plus_wins_over_the_region() -> None:
    assert parse_phone("+52 55 1234 5678", "GT").country == "MX"
    assert parse_phone("55 1234 5678", "MX").e164 == "+525512345678"


def test_north_america_does_not_tell_mobiles_apart() -> None:
    assert parse_phone("+14155552671", "GT").kind is PhoneKind.UNKNOWN


@pytest.mark.parametrize(
    ("old", "dialled_today"),
    [
        ("+52 1 55 1234 5678", "+525512345678"),
        ("whatsapp:+5215512345678", "+525512345678"),
        ("+55 11 9123-5678", "+5511991235678"),
        ("+55 61 9999-1234", "+5561999991234"),
        ("+55 11 7123-5678", "+5511971235678"),
        ("+54 11 15 2345 6789", "+5491123456789"),
        ("+54 9 11 2345 6789", "+5491123456789"),
    ],
)
def test_old_forms_become_the_number_dialled_today(old: str, dialled_today: str) -> None:
    assert parse_phone(old, "GT") == Phone(
        dialled_today, dialled_today_country(dialled_today), parse_phone(dialled_today, "GT").kind
    )


def dialled_today_country(e164: str) -> str:
    return {"+52": "MX", "+54": "AR", "+55": "BR"}[e164[:3]]


@pytest.mark.parametrize("landline", ["+551131235678", "+541123456789"])
def test_landlines_keep_their_form(landline: str) -> None:
    assert parse_phone(landline, "GT") == Phone(landline, region(landline) or "", PhoneKind.FIXED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+5215512345678", "+525512345678"),
        ("+5491123456789", "+541123456789"),
        ("+551191235678", "+5511991235678"),
        ("+50255551234", "+50255551234"),
    ],
)
def test_forms_of_one_number_are_one_person(one: str, other: str) -> None:
    assert is_same_person(one, other)
    assert person_key(person_key(one)) == person_key(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+50255551234", "+50255551235"),
        ("+551131235678", "+5511931235678"),
        ("+525512345678", "+545512345678"),
        ("+5491123456789", "+5491123456780"),
    ],
)
def test_different_numbers_are_different_people(one: str, other: str) -> None:
    assert not is_same_person(one, other)


def test_a_key_of_anything_else_is_itself() -> None:
    assert person_key("whatsapp:GT.1234") == "whatsapp:GT.1234"


def test_where_a_number_is_at_home() -> None:
    assert region("+50255551234") == "GT"
    assert time_zone("+50255551234") == "America/Guatemala"
    assert time_zone("+18003569377") is None
    assert time_zone("+50212345678") is None
    assert region("+99955551234") is None
    assert region("5555") is None
    assert time_zone("5555") is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("+50255551234", "+502****1234"),
        ("whatsapp:+50255551234", "whatsapp:+502****1234"),
        ("+14155552671", "+1****2671"),
        ("ana.lopez@example.com", "a***@example.com"),
        ("@example.com", "***@example.com"),
        ("7123456789", "****89"),
        ("-1001234567890", "****90"),
        ("whatsapp:GT.1234567890ab", "whatsapp:****ab"),
        ("+99955551234", "****34"),
        ("1234", "****"),
        ("", "****"),
    ],
)
def test_masks(address: str, shown: str) -> None:
    assert mask(address) == shown


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True))
def test_a_masked_phone_never_shows_more_than_prefix_and_four_digits(phone: str) -> None:
    hidden = mask(phone)
    assert phone not in hidden
    assert len(hidden.rpartition("*")[2]) <= 4


@pytest.mark.parametrize(
    ("phone", "forms"),
    [
        ("+525512345678", {"+525512345678", "+5215512345678"}),
        ("+5215512345678", {"+525512345678", "+5215512345678"}),
        ("+5491123456789", {"+5491123456789", "+541123456789"}),
        ("+551187654321", {"+5511987654321", "+551187654321"}),
        ("+50255551234", {"+50255551234"}),
        ("GT.1", {"GT.1"}),
    ],
)
def test_every_spelling_of_a_number_is_known(phone: str, forms: set[str]) -> None:
    assert spellings(phone) == forms
    assert {person_key(form) for form in forms} == {person_key(phone)}


@given(st.text(max_size=80))
def test_any_text_is_a_phone_or_a_phone_error(raw: str) -> None:
    try:
        phone = parse_phone(raw, "GT")
    except PhoneError:
        return
    assert parse_phone(phone.e164, "US") == phone


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("ana@example.com", "ana@example.com"),
        (" Ana.Lopez+x@Example.COM ", "Ana.Lopez+x@example.com"),
        ("ana@müller.de", "ana@xn--mller-kva.de"),
    ],
)
def test_emails_as_people_type_them(raw: str, address: str) -> None:
    assert parse_email(raw) == address


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "ana",
        "ana@",
        "@example.com",
        "ana@localhost",
        "ana@b\r\nBcc: x@example.com",
        "ana@example.com\nX: y",
        "Ana <ana@example.com>",
        "a@example.com, b@example.com",
        "añа@example.com",
        '"a b"@example.com',
        "a@[127.0.0.1]",
        "a" * 65 + "@example.com",
        "a@" + "b" * 300 + ".com",
    ],
)
def test_what_no_relay_takes_is_refused(raw: str) -> None:
    with pytest.raises(EmailError):
        parse_email(raw)
