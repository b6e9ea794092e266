"""A customer's dialogue with the bot: one pure step from what was heard to what is said and done.

The same for every channel. A customer is only ever shown what `Known` has, which is their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.domain import buying, disputing, owing, promising, verifying
from bot.domain.heard import (
    Act,
    Dialogue,
    GiveToPerson,
    Heard,
    InviteToTelegram,
    Known,
    Option,
    Say,
    Scope,
    SetConsent,
    SetLanguage,
    Turn,
)
from bot.domain.words import Meaning, Word

_LISTENS = 2
"""How often in a row something may be not understood before a person takes over."""

_SCOPES = {
    Word.STOP: Act.STOP_CHANNEL,
    Word.STOP_ALL: Act.STOP_ALL,
    Word.STOP_REMINDERS: Act.STOP_REMINDERS,
}


def step(dialogue: Dialogue, heard: Heard, known: Known) -> Turn:
    """Take one step. Pure: the same in gives the same out.

    Args:
        dialogue: as it stood before.
        heard: what the person just did.
        known: what is theirs, and what they may buy.
    """
    if heard.has_card:
        return Turn(dialogue, (Say("customer.card_warning"),))
    calm = replace(dialogue, is_asked=False, is_day_awaited=False, misses=0)
    if heard.is_gone:
        return Turn(calm, (Say("customer.button_gone", options=menu(known)),))
    if heard.act is not None:
        return _chosen(replace(calm, product=None), heard.act, heard.data, known)
    quantity = _quantity(heard.text)
    if dialogue.product is not None and quantity is not None:
        return buying.counted(calm, dialogue.product, quantity, known)
    promise = promising.promise_in(dialogue, heard, known)
    if promise is not None:
        return promise
    if heard.meaning is None and heard.attachment is not None:
        return _attached(calm, heard.attachment, known)
    if heard.meaning is None:
        return _missed(dialogue, known)
    hearing = _hears(replace(calm, product=None), heard.meaning)
    if heard.meaning.word is Word.DISPUTE:
        return disputing.dispute(hearing, heard.meaning, heard.text, known)
    return _asked(hearing, heard.meaning, known)


def menu(known: Known) -> tuple[Option, ...]:
    """What a person who is lost may choose."""
    shop = (Option("customer.label_shop", Act.SHOP),) if known.catalogue else ()
    return (
        Option("customer.label_balance", Act.BALANCE),
        Option("customer.label_receipt", Act.RECEIPT),
        *shop,
        Option("customer.label_person", Act.PERSON),
    )


def _hears(dialogue: Dialogue, meaning: Meaning) -> Dialogue:
    """What somebody writes by chance in another language's spelling says nothing about them."""
    if meaning.language is None or meaning.is_guess:
        return dialogue
    return replace(dialogue, language=meaning.language)


def _quantity(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 5 else None


def _missed(dialogue: Dialogue, known: Known) -> Turn:
    """Help once, offer a person once, then give the chat to one: never a loop."""
    later = replace(dialogue, is_asked=False, is_day_awaited=False, misses=dialogue.misses + 1)
    if later.misses > _LISTENS:
        turn = _person(later, "did not find the words the bot knows")
        return replace(turn, dialogue=replace(later, misses=0))
    if later.misses == _LISTENS:
        options = (
            Option("customer.label_person", Act.PERSON),
            Option("customer.label_help", Act.HELP),
        )
        return Turn(replace(later, is_asked=True), (Say("customer.offer_person", options=options),))
    return Turn(later, (Say("customer.unknown", options=menu(known)),))


def _attached(dialogue: Dialogue, kind: str, known: Known) -> Turn:
    """A file is for a person to look at, most likely a bank slip; a sticker is a greeting."""
    if kind == "sticker":
        return _help(dialogue, known)
    return Turn(dialogue, (Say("customer.file_handed"),), (GiveToPerson(f"sent {kind}"),))


def _asked(dialogue: Dialogue, meaning: Meaning, known: Known) -> Turn:
    if meaning.word in _SCOPES and meaning.is_guess:
        return _ask_to_stop(dialogue, known)
    if meaning.word in _SCOPES:
        return _chosen(dialogue, _SCOPES[meaning.word], {}, known)
    if meaning.word in _LANGUAGES:
        return _speak(dialogue, meaning.word, known)
    return _BY_WORD[meaning.word](dialogue, meaning, known)


def _chosen(dialogue: Dialogue, act: Act, data: Mapping[str, object], known: Known) -> Turn:
    return _BY_ACT[act](dialogue, data, known)


def _help(dialogue: Dialogue, known: Known) -> Turn:
    if not known.is_identified and known.can_identify:
        return owing.ask_who(dialogue, known)
    return Turn(dialogue, (Say("customer.help", options=menu(known)),))


def _person(dialogue: Dialogue, why: str) -> Turn:
    return Turn(dialogue, (Say("customer.handed"),), (GiveToPerson(why),))


def _consent(
    dialogue: Dialogue, phrase: str, scope: Scope, *, is_given: bool, options: tuple[Option, ...]
) -> Turn:
    return Turn(dialogue, (Say(phrase, options=options),), (SetConsent(scope, is_given),))


def _stop_channel(dialogue: Dialogue) -> Turn:
    options = (
        Option("customer.label_only_reminders", Act.STOP_REMINDERS),
        Option("customer.label_all_channels", Act.STOP_ALL),
        Option("customer.label_resume", Act.RESUME),
    )
    phrase = "customer.stopped_channel"
    return _consent(dialogue, phrase, Scope.CHANNEL, is_given=False, options=options)


def _stop(dialogue: Dialogue, phrase: str, scope: Scope) -> Turn:
    back = (Option("customer.label_resume", Act.RESUME),)
    return _consent(dialogue, phrase, scope, is_given=False, options=back)


def _resume(dialogue: Dialogue) -> Turn:
    return _consent(dialogue, "customer.resumed", Scope.ALL, is_given=True, options=())


def _ask_to_stop(dialogue: Dialogue, known: Known) -> Turn:
    """Ask what is meant: "cancelar" is to pay in much of the region, and a sentence says much."""
    options = (
        Option("customer.label_balance", Act.BALANCE),
        Option("customer.label_stop", Act.STOP_CHANNEL),
        Option("customer.label_person", Act.PERSON),
        Option("customer.label_nothing", Act.NOTHING),
    )
    return Turn(dialogue, (Say("customer.stop_ask", options=options),))


_LANGUAGES = frozenset({Word.SPANISH, Word.ENGLISH, Word.PORTUGUESE})


def _speak(dialogue: Dialogue, word: Word, known: Known) -> Turn:
    spoken = replace(dialogue, language=word.value)
    says = (Say("customer.language_set", options=menu(known)),)
    return Turn(spoken, says, (SetLanguage(word.value),))


def _telegram(dialogue: Dialogue, known: Known) -> Turn:
    if known.can_identify and not known.is_identified:
        return owing.ask_who(dialogue, known)
    if known.can_identify:
        return Turn(dialogue, (Say("telegram.here"),))
    if not known.is_identified:
        return Turn(dialogue, (Say("customer.ask_number"),))
    return Turn(dialogue, commands=(InviteToTelegram(),))


def _say(phrase: str) -> "_ByWord":
    return lambda dialogue, meaning, known: Turn(dialogue, (Say(phrase),))


_ByWord = Callable[[Dialogue, Meaning, Known], Turn]
_ByAct = Callable[[Dialogue, Mapping[str, object], Known], Turn]

_BY_WORD: Mapping[Word, _ByWord] = {
    Word.PAY: owing.pay,
    Word.BALANCE: lambda dialogue, meaning, known: owing.balance(dialogue, known),
    Word.RECEIPT: owing.receipts,
    Word.RESEND: owing.resend,
    Word.HELP: lambda dialogue, meaning, known: _help(dialogue, known),
    Word.PERSON: lambda dialogue, meaning, known: _person(dialogue, "asked for a person"),
    Word.START: lambda dialogue, meaning, known: _resume(dialogue),
    Word.PAID: lambda dialogue, meaning, known: owing.paid(dialogue, known),
    Word.SHOP: lambda dialogue, meaning, known: buying.show(dialogue, known),
    Word.STOP_ASK: lambda dialogue, meaning, known: _ask_to_stop(dialogue, known),
    Word.VERIFY: verifying.verify,
    Word.CANCEL: lambda dialogue, meaning, known: _ask_to_stop(dialogue, known),
    Word.TELEGRAM: lambda dialogue, meaning, known: _telegram(dialogue, known),
    Word.YES: lambda dialogue, meaning, known: _help(dialogue, known),
    Word.NO: _say("customer.nothing_changed"),
    Word.GREETING: lambda dialogue, meaning, known: _help(dialogue, known),
    Word.THANKS: _say("customer.welcome"),
}
_BY_ACT: Mapping[Act, _ByAct] = {
    Act.PAY: owing.pay_one,
    Act.RENEW: owing.renew_one,
    Act.BALANCE: lambda dialogue, data, known: owing.balance(dialogue, known),
    Act.RECEIPT: lambda dialogue, data, known: owing.receipts(dialogue, None, known),
    Act.PAID: lambda dialogue, data, known: owing.not_reported(dialogue, known),
    Act.HELP: lambda dialogue, data, known: _help(dialogue, known),
    Act.PERSON: lambda dialogue, data, known: _person(dialogue, "asked for a person"),
    Act.SHOP: lambda dialogue, data, known: buying.show(dialogue, known),
    Act.PRODUCT: buying.picked,
    Act.CONFIRM: buying.confirmed,
    Act.DROP: lambda dialogue, data, known: Turn(dialogue, (Say("customer.purchase_dropped"),)),
    Act.STOP_ASK: lambda dialogue, data, known: _ask_to_stop(dialogue, known),
    Act.STOP_REMINDERS: lambda dialogue, data, known: _stop(
        dialogue, "customer.stopped_reminders", Scope.REMINDERS
    ),
    Act.STOP_CHANNEL: lambda dialogue, data, known: _stop_channel(dialogue),
    Act.STOP_ALL: lambda dialogue, data, known: _stop(dialogue, "customer.stopped_all", Scope.ALL),
    Act.RESUME: lambda dialogue, data, known: _resume(dialogue),
    Act.PROMISE: promising.on_day,
    Act.PROMISE_OTHER: lambda dialogue, data, known: promising.other_day(dialogue, known),
    Act.DISPUTE_ONE: disputing.chosen,
    Act.DISPUTE: disputing.confirmed,
    Act.NOTHING: lambda dialogue, data, known: Turn(dialogue, (Say("customer.nothing_changed"),)),
}
