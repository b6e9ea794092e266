"""Every word a person reads: texts by purpose, language and channel, filled in with facts."""

from bot.texts.catalog import TextsError
from bot.texts.facts import Facts, Wording
from bot.texts.formats import format_money
from bot.texts.locales import resolve_locale
from bot.texts.whatsapp import TemplatesError, WhatsAppTemplates
from bot.texts.wording import Texts

__all__ = [
    "Facts",
    "TemplatesError",
    "Texts",
    "TextsError",
    "WhatsAppTemplates",
    "Wording",
    "format_money",
    "resolve_locale",
]
