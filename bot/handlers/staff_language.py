"""The language in which a member of staff is written to."""

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.commands import Asked
from bot.handlers import menus
from bot.handlers.staff_desk import Desk
from bot.store import staff as staff_store
from bot.texts.locales import LANGUAGES, is_same_language


def ask(desk: Desk, asked: Asked) -> None:
    """Set the language that is named, else show which there are."""
    named = asked.reference or ""
    known = [language for language in LANGUAGES if is_same_language(language, named)]
    if known:
        _set(desk, known[0])
        return
    choices = tuple(
        desk.choice(f"speak_{language[:2]}", "language", locale=language) for language in LANGUAGES
    )
    desk.say("which_language", choices=choices)


def on_button(desk: Desk, data: Mapping[str, object]) -> None:
    """Take the language of a button."""
    _set(desk, str(data["locale"]))


def _set(desk: Desk, locale: str) -> None:
    staff_store.set_locale(desk.tx, desk.staff.id, locale)
    desk.staff = replace(desk.staff, locale=locale)
    menus.owe_staff_menu(desk.tx, desk.rules, desk.staff, key=f"language:{desk.inbox_id}")
    desk.say("language_set")
