"""The menus of commands in chat apps: one for everybody, a longer one for each member of staff."""

import hashlib
from datetime import timedelta

from bot.domain.commands import NEEDS, Command
from bot.domain.staff import Role, may
from bot.handlers.rules import Rules
from bot.store import outbox
from bot.store.engine import Tx
from bot.store.staff import Staff
from bot.texts.locales import LANGUAGES
from channels.base import ChannelName

CUSTOMER_COMMANDS = ("pagar", "saldo", "recibo", "ayuda", "persona", "baja")
_GIVE_UP = timedelta(days=1)


def staff_commands(role: Role) -> tuple[str, ...]:
    """What a role sees in its menu: what it may do."""
    return tuple(command.value for command in Command if may(role, NEEDS[command]))


def owe_staff_menu(tx: Tx, rules: Rules, member: Staff, *, key: str) -> None:
    """Owe a member the menu of their role, or everybody's menu if they were removed."""
    if member.telegram_chat_id is None:
        return
    is_in = member.removed_at is None
    names = staff_commands(member.role) if is_in else CUSTOMER_COMMANDS
    prefix = "staff" if is_in else "customer"
    _owe(
        tx,
        rules,
        [f"{prefix}_{name}" for name in names],
        key=f"menu:{member.id}:{key}",
        chat_id=member.telegram_chat_id,
        locale=member.locale,
    )


def owe_customer_menus(tx: Tx, rules: Rules) -> None:
    """Owe the menu of all private chats, one a language, once for each version of it."""
    names = [f"customer_{name}" for name in CUSTOMER_COMMANDS]
    digest = hashlib.sha256(" ".join([rules.locale, *names]).encode()).hexdigest()[:12]
    _owe(tx, rules, names, key=f"menu:all:{digest}", chat_id=None, locale=rules.locale)
    for language in LANGUAGES:
        key = f"menu:all:{language}:{digest}"
        _owe(tx, rules, names, key=key, chat_id=None, locale=language, language=language[:2])


def _owe(
    tx: Tx,
    rules: Rules,
    names: list[str],
    *,
    key: str,
    chat_id: str | None,
    locale: str | None,
    language: str | None = None,
) -> None:
    if ChannelName.TELEGRAM not in rules.couriers:
        return
    outbox.add(
        tx,
        [
            outbox.NewItem(
                kind=outbox.SET_COMMANDS,
                lane=ChannelName.TELEGRAM.value,
                key=key,
                channel=ChannelName.TELEGRAM,
                address=chat_id,
                not_before=tx.now,
                give_up_at=tx.now + _GIVE_UP,
                payload={"commands": names, "locale": locale, "language": language},
            )
        ],
    )
