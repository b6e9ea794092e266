"""Which of our languages a person is written in."""

from functools import lru_cache

LANGUAGES = ("es", "en", "pt-BR")


@lru_cache(maxsize=256)
def resolve_locale(requested: str | None, fallback: str) -> str:
    """The nearest language we write: "es-GT" and "es_419" give "es", "pt" gives "pt-BR".

    Args:
        requested: a BCP 47 or POSIX name, None for unknown.
        fallback: taken when `requested` is no language of ours; "es" if it is none either.
    """
    for wanted in (requested, fallback):
        if wanted:
            for ours in LANGUAGES:
                if is_same_language(ours, wanted):
                    return ours
    return LANGUAGES[0]


def is_same_language(one: str, other: str) -> bool:
    """Whether two locales differ in their country at most."""
    return _language(one) == _language(other)


def _language(locale: str) -> str:
    return locale.replace("_", "-").partition("-")[0].lower()
