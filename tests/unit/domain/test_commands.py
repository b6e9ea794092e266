"""What a command means, however it is typed; and that nothing is guessed where money is asked."""

import pytest

from bot.domain.commands import (
    Asked,
    ChargeError,
    ChargeProblem,
    Command,
    parse_channel,
    parse_charge,
    parse_command,
)
from bot.domain.money import Money

GTQ = frozenset({"GTQ"})
BOTH = frozenset({"GTQ", "USD"})
PHONE = "+50255551234"


def charge(
    text: str, currencies: frozenset[str] = GTQ
) -> tuple[str, Money, str | None, str | None]:
    found = parse_charge(tuple(text.split()), region="GT", currencies=currencies)
    return found.phone.e164, found.money, found.concept, found.channel


def problem(text: str, currencies: frozenset[str] = GTQ) -> ChargeProblem:
    with pytest.raises(ChargeError) as caught:
        charge(text, currencies)
    return caught.value.problem


@pytest.mark.parametrize(
    ("text", "command"),
    [
        *[(f"/{command.value} x", command) for command in Command],
        ("/MIS", Command.MINE),
        ("/mis@shop_bot", Command.MINE),
        ("/why x", Command.WHY),
        ("/porqué x", Command.WHY),
        ("/ajuda", Command.HELP),
        ("  /estado   x", Command.STATE),
    ],
)
def test_commands_are_known_in_three_languages(text: str, command: Command) -> None:
    asked = parse_command(text)
    assert asked is not None
    assert asked.command is command


@pytest.mark.parametrize("text", ["", "mis", "hola /mis", "/", "/nada", "/ mis", "\\mis"])
def test_anything_else_is_no_command(text: str) -> None:
    assert parse_command(text) is None


def test_the_first_word_names_the_payment() -> None:
    assert parse_command("/estado INV-7 sms") == Asked(Command.STATE, ("INV-7", "sms"))
    assert Asked(Command.STATE, ("INV-7", "sms")).reference == "INV-7"
    assert Asked(Command.STATE, ()).reference is None


@pytest.mark.parametrize(
    "text",
    [
        "+50255551234 150.00 Mensualidad marzo",
        "+502 5555 1234 150.00 Mensualidad marzo",
        "5555-1234 150 Mensualidad marzo",
        "5555 1234 Q150.00 Mensualidad marzo",
        "(502) 5555 1234 GTQ 150.00 Mensualidad marzo",
        "+50255551234 150.00 GTQ Mensualidad marzo",
        "+50255551234 150.00gtq Mensualidad marzo",
        "+50255551234 Q 150,00 Mensualidad marzo",
    ],
)
def test_one_charge_in_many_hands(text: str) -> None:
    assert charge(text) == (PHONE, Money(15000, "GTQ"), "Mensualidad marzo", None)


def test_a_channel_may_be_named_at_the_end() -> None:
    assert charge("+50255551234 1 Café por sms")[2:] == ("Café", "sms")
    assert charge("+50255551234 1 por qr")[2:] == (None, "web")
    assert charge("+50255551234 1 Boleto por avión")[2:] == ("Boleto por avión", None)
    assert parse_channel("WA") == "whatsapp"
    assert parse_channel("email") is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", ChargeProblem.PHONE),
        ("Ana 150.00", ChargeProblem.PHONE),
        ("+5025555123 150.00", ChargeProblem.PHONE),
        ("+50255551234", ChargeProblem.AMOUNT),
        ("+50255551234 mucho", ChargeProblem.AMOUNT),
        ("+50255551234 0", ChargeProblem.AMOUNT),
        ("+50255551234 -5", ChargeProblem.AMOUNT),
        ("+50255551234 1.2345", ChargeProblem.AMOUNT),
        ("+50255551234 1,500", ChargeProblem.AMBIGUOUS),
        ("+50255551234 150 EUR", ChargeProblem.CURRENCY),
        ("+50255551234 150€", ChargeProblem.AMOUNT),
        ("+50255551234 $150", ChargeProblem.CURRENCY),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_guessed(text: str, wrong: ChargeProblem) -> None:
    assert problem(text) is wrong


def test_the_country_decides_between_currencies() -> None:
    assert charge("+50255551234 150.00 Libros", BOTH)[1] == Money(15000, "GTQ")
    assert charge("+50255551234 $150.00 Libros", BOTH)[1] == Money(15000, "USD")
    assert charge("+50255551234 150.00 USD Libros", BOTH)[1] == Money(15000, "USD")
    assert charge("+12015550123 150.00 Libros", BOTH)[1] == Money(15000, "USD")
    assert problem("+525512345678 150.00 Libros", BOTH) is ChargeProblem.CURRENCY


def test_the_number_is_kept_where_only_the_amount_is_wrong() -> None:
    with pytest.raises(ChargeError) as caught:
        charge("+50255551234 mucho")
    assert caught.value.phone is not None
    assert caught.value.phone.e164 == PHONE


def test_a_concept_is_cut_and_a_long_message_does_not_hurt() -> None:
    concept = charge(f"+50255551234 1 {'x' * 5000}")[2]
    assert concept is not None
    assert len(concept) == 140
    assert parse_command("/estado " + "9" * 100_000) is not None
