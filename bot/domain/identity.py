"""Who is reached where: telephone numbers and e-mail addresses, read, compared and masked.

A phone is kept as E.164 with the plus, in the form that can be dialled today. Old forms that
providers still report for the same person compare equal by `person_key`.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import PhoneNumber, PhoneNumberType, ValidationResult
from phonenumbers.timezone import time_zones_for_number


class PhoneKind(StrEnum):
    """What a number is, as far as the numbering plan tells."""

    MOBILE = "mobile"
    """Takes SMS, and usually WhatsApp."""
    FIXED = "fixed"
    """Takes no SMS; WhatsApp may run on it."""
    UNKNOWN = "unknown"
    """The plan does not tell, as in North America."""


class PhoneProblem(StrEnum):
    """Why a number cannot be taken; `PhoneError` has the words."""

    NOT_A_NUMBER = "not_a_number"
    UNKNOWN_COUNTRY = "unknown_country"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_IN_USE = "not_in_use"
    EXTENSION = "extension"
    NOT_PERSONAL = "not_personal"


_PROBLEM_WORDS = {
    PhoneProblem.NOT_A_NUMBER: "it is not a telephone number",
    PhoneProblem.UNKNOWN_COUNTRY: "its country code does not exist",
    PhoneProblem.TOO_SHORT: "it has too few digits",
    PhoneProblem.TOO_LONG: "it has too many digits; a foreign number begins with + and its code",
    PhoneProblem.NOT_IN_USE: "no such number is given out in its country",
    PhoneProblem.EXTENSION: "it has an extension, which no message can reach",
    PhoneProblem.NOT_PERSONAL: "it is a service line, not somebody's phone",
}


class PhoneError(ValueError):
    """The number cannot be taken; the text says why and never repeats the number."""

    def __init__(self, problem: PhoneProblem) -> None:
        """Put `problem` into words."""
        super().__init__(_PROBLEM_WORDS[problem])
        self.problem = problem


class EmailError(ValueError):
    """The address cannot be taken; the text says why and never repeats the address."""


@dataclass(frozen=True, slots=True)
class Phone:
    """A valid number: E.164 with the plus, ISO 3166 country, and its kind."""

    e164: str
    country: str
    kind: PhoneKind


_KINDS = {
    PhoneNumberType.MOBILE: PhoneKind.MOBILE,
    PhoneNumberType.FIXED_LINE: PhoneKind.FIXED,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: PhoneKind.UNKNOWN,
    PhoneNumberType.VOIP: PhoneKind.UNKNOWN,
    PhoneNumberType.PERSONAL_NUMBER: PhoneKind.UNKNOWN,
}
_PARSE_PROBLEMS = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: PhoneProblem.UNKNOWN_COUNTRY,
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: PhoneProblem.TOO_SHORT,
    phonenumbers.NumberParseException.TOO_SHORT_NSN: PhoneProblem.TOO_SHORT,
    phonenumbers.NumberParseException.TOO_LONG: PhoneProblem.TOO_LONG,
}
_LENGTH_PROBLEMS = {
    ValidationResult.TOO_SHORT: PhoneProblem.TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: PhoneProblem.TOO_SHORT,
    ValidationResult.TOO_LONG: PhoneProblem.TOO_LONG,
}

_MAX_PHONE_CHARS = 64
_SCHEME = re.compile(r"(?:tel|sms|whatsapp):", re.IGNORECASE)
_DIALLED = re.compile(r"\+?[0-9 ().\-/]+")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))

# Mexico dropped the mobile 1 in 2019, and Brazil's mobiles gained a ninth digit by 2016;
# WhatsApp still reports accounts opened before under their old form.
_OLD_FORMS = (
    (re.compile(r"\+521(?P<rest>[0-9]{10})"), "+52"),
    (re.compile(r"\+55(?P<area>[1-9]{2})(?P<rest>[6-9][0-9]{7})"), "+55{area}9"),
)
# In Argentina the 9 marks a mobile towards the world; the ten digits behind it are the subscriber.
_ARGENTINE_MOBILE = re.compile(r"\+549(?P<rest>[0-9]{10})")
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")
# What providers may say for a number whose person key is this.
_OTHER_FORMS = (
    (re.compile(r"\+52(?P<rest>[0-9]{10})"), "+521{rest}"),
    (re.compile(r"\+55(?P<area>[1-9]{2})9(?P<rest>[6-9][0-9]{7})"), "+55{area}{rest}"),
    (re.compile(r"\+54(?P<rest>[0-9]{10})"), "+549{rest}"),
)


def parse_phone(raw: str, region: str) -> Phone:
    """Read a number as typed, pasted or reported by a provider.

    Args:
        raw: national or international, with any usual punctuation, as "5555-1234",
            "(502) 5555 1234", "0050255551234", "tel:+502 5555-1234" or "whatsapp:+50255551234".
        region: ISO 3166 country of numbers without a plus; a leading plus always wins.

    Raises:
        PhoneError: not a number that belongs to a person.

    Source: Google's numbering plan metadata, as carried by phonenumbers.
    """
    number = _modern(_parsed(_tidied(raw), region))
    length = phonenumbers.is_possible_number_with_reason(number)
    if length in _LENGTH_PROBLEMS:
        raise PhoneError(_LENGTH_PROBLEMS[length])
    country = phonenumbers.region_code_for_number(number)
    if country is None or not phonenumbers.is_valid_number(number):
        raise PhoneError(PhoneProblem.NOT_IN_USE)
    kind = _KINDS.get(phonenumbers.number_type(number))
    if kind is None or country == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY:
        raise PhoneError(PhoneProblem.NOT_PERSONAL)
    return Phone(_e164(number), country, kind)


def person_key(phone: str) -> str:
    """One spelling for all forms of one person's number; for comparing, never for dialling.

    Anything but an E.164 number is returned as it is.
    """
    if _E164.fullmatch(phone) is None:
        return phone
    modern = _modern_e164(phone)
    argentine = _ARGENTINE_MOBILE.fullmatch(modern)
    return f"+54{argentine['rest']}" if argentine else modern


def is_same_person(one: str, other: str) -> bool:
    """Whether two E.164 numbers are forms of the same subscriber's number."""
    return person_key(one) == person_key(other)


def spellings(phone: str) -> frozenset[str]:
    """All forms in which a provider may report the person with this E.164 number."""
    key = person_key(phone)
    others = {
        form.format(**match.groupdict())
        for pattern, form in _OTHER_FORMS
        if (match := pattern.fullmatch(key))
    }
    return frozenset({phone, key, *others})


_ONLY_REGION = {
    str(code): regions[0]
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    if len(regions) == 1
}
"""Calling codes of one country each: no code begins another, so that none needs to be parsed."""


def region(phone: str) -> str | None:
    """The ISO 3166 country of an E.164 number, None where there is none."""
    if _E164.fullmatch(phone) is None:
        return None
    for digits in (2, 3, 1):
        if (only := _ONLY_REGION.get(phone[1 : 1 + digits])) is not None:
            return only
    number = _stored(phone)
    return None if number is None else phonenumbers.region_code_for_number(number)


def time_zone(phone: str) -> str | None:
    """The IANA zone where an E.164 number is at home; None where it may be in several."""
    number = _stored(phone)
    zones = () if number is None else time_zones_for_number(number)
    if len(zones) != 1 or zones[0] == "Etc/Unknown":
        return None
    return str(zones[0])


def parse_email(raw: str) -> str:
    """Read an e-mail address; the domain comes back lower-case and in ASCII.

    Names beyond ASCII before the @ are refused, since few relays carry them. No DNS is asked.

    Raises:
        EmailError: not an address that a relay would take.
    """
    try:
        address = validate_email(
            raw.strip(), check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError as error:
        raise EmailError(str(error)) from error
    if address.ascii_email is None:
        raise EmailError("The address cannot be written in ASCII.")
    return address.ascii_email


def mask(address: str) -> str:
    """What logs and answers may show of an address.

    "+502****1234" for a phone, "a***@example.com" for e-mail, the last two characters of anything
    else; a scheme as in "whatsapp:" stays.
    """
    scheme = _SCHEME.match(address)
    if scheme:
        return scheme[0] + mask(address[scheme.end() :])
    if "@" in address:
        name, _, domain = address.rpartition("@")
        return f"{name[:1]}***@{domain}"
    number = _stored(address)
    national = "" if number is None else str(number.national_number)
    if number is None or len(national) < 7:
        return f"****{address[-2:]}" if len(address) > 4 else "****"
    return f"+{number.country_code}****{national[-4:]}"


def _tidied(raw: str) -> str:
    """Undo what copying from a web page or an address book adds."""
    if len(raw) > _MAX_PHONE_CHARS:
        raise PhoneError(PhoneProblem.TOO_LONG)
    visible = "".join(char for char in raw if unicodedata.category(char) != "Cf")
    typed = unicodedata.normalize("NFKC", visible).translate(_DASHES).strip()
    return _SCHEME.sub("", typed, count=1) if _SCHEME.match(typed) else typed


def _parsed(typed: str, region: str) -> PhoneNumber:
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException as error:
        problem = _PARSE_PROBLEMS.get(error.error_type, PhoneProblem.NOT_A_NUMBER)
        raise PhoneError(problem) from None
    if number.extension:
        raise PhoneError(PhoneProblem.EXTENSION)
    # The library digs a number out of any sentence; out of "5555-1234 or 2222-3333", a wrong one.
    if _DIALLED.fullmatch(typed) is None:
        raise PhoneError(PhoneProblem.NOT_A_NUMBER)
    return number


def _modern(number: PhoneNumber) -> PhoneNumber:
    current = _e164(number)
    modern = _modern_e164(current)
    return number if modern == current else phonenumbers.parse(modern, None)


def _modern_e164(phone: str) -> str:
    for form, prefix in _OLD_FORMS:
        match = form.fullmatch(phone)
        if match:
            return prefix.format(**match.groupdict()) + match["rest"]
    return phone


def _stored(phone: str) -> PhoneNumber | None:
    if _E164.fullmatch(phone) is None:
        return None
    try:
        return phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
