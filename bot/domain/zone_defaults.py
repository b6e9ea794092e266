"""The zone that is taken for countries whose numbers tell several, and that have no row of rules.

Where one of them has several zones it is the one where most people live; TIME_ZONES says otherwise.
"""

from collections.abc import Mapping
from types import MappingProxyType

ZONE_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "AG": "America/Antigua",
        "AI": "America/Anguilla",
        "AS": "Pacific/Pago_Pago",
        "AU": "Australia/Sydney",
        "BB": "America/Barbados",
        "BM": "Atlantic/Bermuda",
        "BQ": "America/Kralendijk",
        "BS": "America/Nassau",
        "CD": "Africa/Kinshasa",
        "CW": "America/Curacao",
        "DM": "America/Dominica",
        "FI": "Europe/Helsinki",
        "GB": "Europe/London",
        "GD": "America/Grenada",
        "GG": "Europe/Guernsey",
        "GL": "America/Nuuk",
        "GU": "Pacific/Guam",
        "IE": "Europe/Dublin",
        "IT": "Europe/Rome",
        "JE": "Europe/Jersey",
        "JM": "America/Jamaica",
        "KI": "Pacific/Tarawa",
        "KN": "America/St_Kitts",
        "KY": "America/Cayman",
        "KZ": "Asia/Almaty",
        "LC": "America/St_Lucia",
        "MN": "Asia/Ulaanbaatar",
        "MP": "Pacific/Saipan",
        "MS": "America/Montserrat",
        "NO": "Europe/Oslo",
        "NZ": "Pacific/Auckland",
        "PF": "Pacific/Tahiti",
        "PT": "Europe/Lisbon",
        "RE": "Indian/Reunion",
        "RU": "Europe/Moscow",
        "SX": "America/Lower_Princes",
        "TC": "America/Grand_Turk",
        "TT": "America/Port_of_Spain",
        "VC": "America/St_Vincent",
        "VG": "America/Tortola",
        "VI": "America/St_Thomas",
        "YT": "Indian/Mayotte",
    }
)
"""By the two letters of the country."""
