"""No number's zone is a guess: it tells one, its country has a row, or a zone is named for it."""

from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers

from bot.domain import identity
from bot.domain.packs import read_packs
from bot.domain.zone_defaults import ZONE_DEFAULTS

PACKS = read_packs(Path("bot/domain/countries.toml").read_text("utf-8"))


def test_every_country_has_a_zone() -> None:
    missing = set()
    for code in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number_for_type(code, phonenumbers.PhoneNumberType.MOBILE)
        if number is None:
            continue
        phone = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        region = identity.region(phone)
        is_known = region in PACKS or region in ZONE_DEFAULTS
        if not is_known and identity.time_zone(phone) is None:
            missing.add(region)
    assert missing == set()


def test_every_default_is_a_zone_and_has_no_row_beside_it() -> None:
    assert all(ZoneInfo(zone).key == zone for zone in ZONE_DEFAULTS.values())
    assert not ZONE_DEFAULTS.keys() & PACKS.keys()
