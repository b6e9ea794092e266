"""A customer's message: what is known of them, one step of their dialogue, and its consequences."""

from dataclasses import replace
from typing import assert_never

from bot.domain.dialogue import step
from bot.domain.heard import (
    Act,
    Command,
    CreatePayment,
    Dialogue,
    Dispute,
    GiveToPerson,
    Heard,
    InviteToTelegram,
    MakePromise,
    OpenTask,
    Option,
    PauseReminders,
    Renew,
    Say,
    Scope,
    SetConsent,
    SetLanguage,
    ShowLink,
    Turn,
)
from bot.domain.payment import Alert, Customer
from bot.domain.words import Word, understand
from bot.handlers import handoff
from bot.handlers.accounts import known_of, language_of
from bot.handlers.consent import set_consent
from bot.handlers.disputes import take_dispute
from bot.handlers.invitation import invite_in_chat
from bot.handlers.links import renew, show_link
from bot.handlers.payment import RequestError
from bot.handlers.planning import alarm
from bot.handlers.promises import make_promise
from bot.handlers.purchases import buy
from bot.handlers.replies import Choice, Reply
from bot.handlers.series import begin_all
from bot.handlers.visit import Visit
from bot.store import conversations, payments, people
from bot.store.conversations import Conversation


def converse(visit: Visit, *, has_card: bool = False) -> None:
    """Take one step of the dialogue and do what follows from it, all in this transaction."""
    before = dialogue_of(visit.conversation)
    heard = _hear(visit, before, has_card=has_card)
    if visit.conversation.mode == "human" and not _breaks_silence(heard):
        handoff.to_staff(
            visit.tx, visit.rules, visit.conversation, visit.message, visit.customer_id
        )
        return
    known = known_of(visit.tx, visit.rules, visit.message.sender, visit.customer, visit.phone)
    turn = step(before, heard, known)
    _keep(visit, turn.dialogue)
    perform(visit, turn)
    if heard.attachment is not None and heard.meaning is not None:
        handoff.tell_of_file(visit.tx, visit.rules, visit.conversation, visit.message)


def perform(visit: Visit, turn: Turn) -> None:
    """Do what a turn asks for, then say what it says; a command that fails is said instead."""
    locale = _locale(visit, turn)
    says = list(turn.says)
    for command in turn.commands:
        instead = _perform(visit, command, locale)
        if instead is not None:
            says = [instead]
    for say in says:
        choices = tuple(_choice(visit, option) for option in say.options)
        visit.say(Reply(say.phrase, say.values, choices), locale)


def _locale(visit: Visit, turn: Turn) -> str:
    """The language of this answer; one that was just asked for is used at once."""
    asked = [each.locale for each in turn.commands if isinstance(each, SetLanguage)]
    known = language_of(visit.customer, visit.phone, turn.dialogue.language, visit.rules)
    return asked[-1] if asked else known


def dialogue_of(conversation: Conversation) -> Dialogue:
    """The dialogue as a conversation keeps it."""
    slots = conversation.slots
    product, language, misses = slots.get("product"), slots.get("language"), slots.get("misses")
    return Dialogue(
        product=product if isinstance(product, str) else None,
        is_asked=slots.get("is_asked") is True,
        is_day_awaited=slots.get("is_day_awaited") is True,
        misses=misses if isinstance(misses, int) else 0,
        language=language if isinstance(language, str) else None,
    )


def _keep(visit: Visit, dialogue: Dialogue) -> None:
    state = "quantity" if dialogue.product is not None else "idle"
    slots = {
        "product": dialogue.product,
        "is_asked": dialogue.is_asked,
        "is_day_awaited": dialogue.is_day_awaited,
        "misses": dialogue.misses,
        "language": dialogue.language,
    }
    changed = replace(
        visit.conversation,
        state=state,
        slots=slots,
        customer_id=visit.customer_id or visit.conversation.customer_id,
        last_inbound_at=visit.tx.now,
    )
    if not conversations.save(visit.tx, changed):
        raise LookupError("the conversation was changed while it was locked")


def _breaks_silence(heard: Heard) -> bool:
    """Consent is heard also while staff talk, and a card number is warned of."""
    stops = {Word.STOP, Word.STOP_ALL, Word.STOP_REMINDERS, Word.START}
    if heard.meaning is not None and heard.meaning.word in stops:
        return not heard.meaning.is_guess
    acts = {Act.STOP_CHANNEL, Act.STOP_ALL, Act.STOP_REMINDERS, Act.RESUME}
    return heard.has_card or heard.act in acts


def _hear(visit: Visit, before: Dialogue, *, has_card: bool) -> Heard:
    """Read the message: a tapped button, the number or the yes of a choice on show, or words."""
    message = visit.message
    text = message.text.strip()
    if has_card:
        return Heard(text, has_card=True)
    meaning = understand(text)
    token = message.payload or _typed_choice(visit, before, text)
    # What is only nearly a yes buys nothing.
    if token is None and before.is_asked and meaning is not None and not meaning.is_guess:
        token = _answered(visit.conversation, meaning.word)
    if token is None:
        return Heard(text, meaning, attachment=message.extra.get("attachment"))
    taken = conversations.take(visit.tx, token, message.sender, message.user_id)
    if taken is not None and taken[0] in set(Act):
        return Heard(text, act=Act(taken[0]), data=taken[1])
    # A template's own button is no token of ours, but its label says what it is for.
    if message.payload is not None and meaning is not None:
        return Heard(text, meaning)
    return Heard(text, is_gone=True)


def _typed_choice(visit: Visit, before: Dialogue, text: str) -> str | None:
    choices = visit.conversation.choices
    digits = text.rstrip(".)")
    is_answer = before.product is not None or before.is_day_awaited
    if is_answer or not (digits.isascii() and digits.isdecimal()):
        return None
    number = int(digits) if len(digits) < 3 else 0
    return choices[number - 1] if 0 < number <= len(choices) else None


def _answered(conversation: Conversation, word: Word) -> str | None:
    choices = conversation.choices
    if not choices or word not in (Word.YES, Word.NO):
        return None
    return choices[0] if word is Word.YES else choices[-1]


def _choice(visit: Visit, option: Option) -> Choice:
    if option.act is None:
        return Choice(option.label)
    token = conversations.offer(
        visit.tx,
        visit.message.sender,
        visit.message.user_id,
        option.act.value,
        option.data,
        option.ttl,
    )
    return Choice(option.label, token, values=option.values)


def _perform(visit: Visit, command: Command, locale: str) -> Say | None:
    """Do one thing; what to say instead if it cannot be done."""
    match command:
        case ShowLink(payment_id):
            key = visit.key()
            return show_link(visit.tx, visit.message, payment_id, key=key, locale=locale)
        case Renew(payment_id):
            return _renew(visit, payment_id, locale)
        case CreatePayment():
            return buy(visit, command)
        case OpenTask(payment_id):
            detail = "the customer says it is paid, and Migo reported nothing"
            _open_task(visit, Alert.CLAIMED_PAID, payment_id, detail)
        case GiveToPerson(why):
            text = visit.message.text
            handoff.give_to_staff(visit.tx, visit.rules, visit.conversation, why, said=text)
        case MakePromise():
            _promise(visit, command)
        case Dispute(payment_id, words):
            take_dispute(visit.tx, visit.rules, payment_id, words)
        case SetConsent() | PauseReminders() | SetLanguage():
            _write_down(visit, command)
        case InviteToTelegram():
            return _invite(visit, locale)
        case _:
            assert_never(command)
    return None


def _write_down(visit: Visit, command: SetConsent | PauseReminders | SetLanguage) -> None:
    """Keep what the person wants."""
    # A no that reaches beyond this address is kept with the person, payments or none.
    match command:
        case SetConsent(scope, is_given=False) if scope is not Scope.CHANNEL:
            _make_known(visit)
    tx, customer = visit.tx, visit.customer
    if isinstance(command, SetConsent):
        set_consent(
            tx,
            visit.message.sender,
            customer,
            command.scope,
            is_given=command.is_given,
            how=f"wrote it on {visit.message.sender.channel.value}",
            wording=visit.message.text or "chose it",
        )
        if customer is not None and command.is_given:
            begin_all(tx, visit.rules, customer.id)
    elif customer is not None and isinstance(command, PauseReminders):
        people.pause_reminders(tx, customer.id, until=tx.now + command.lasts)
    elif customer is not None and isinstance(command, SetLanguage):
        people.set_locale(tx, customer.id, command.locale)


def _make_known(visit: Visit) -> Customer | None:
    """Whoever writes, as a customer if the chat proves a number."""
    if visit.customer is None and visit.phone is not None:
        name = visit.message.sender_name
        visit.customer = people.upsert_customer(visit.tx, phone=visit.phone, name=name)
    return visit.customer


def _renew(visit: Visit, payment_id: str, locale: str) -> Say | None:
    try:
        return renew(
            visit.tx, visit.rules, visit.message, payment_id, key=visit.key(), locale=locale
        )
    except RequestError as error:
        detail = f"the customer wants to pay it late: {error}"
        _open_task(visit, Alert.CANNOT_PAY, payment_id, detail)
        return Say("customer.renew_failed")


def _invite(visit: Visit, locale: str) -> Say | None:
    customer = _make_known(visit)
    if customer is None:
        return Say("customer.ask_number")
    sender, key = visit.message.sender, visit.key()
    return invite_in_chat(visit.tx, visit.rules, sender, customer.id, key=key, locale=locale)


def _promise(visit: Visit, made: MakePromise) -> None:
    if visit.customer is not None:
        make_promise(
            visit.tx,
            visit.rules,
            visit.customer,
            made,
            words=visit.message.text,
            channel=visit.message.sender.channel.value,
        )


def _open_task(visit: Visit, kind: Alert, payment_id: str, detail: str) -> None:
    """Have staff look at a payment; told again where somebody closed it since."""
    payment = payments.read(visit.tx, payment_id)
    alarm(
        visit.tx,
        visit.rules,
        kind,
        key=payment_id,
        detail=detail,
        payment=payment,
        inbox_id=visit.inbox_id,
        reopens=True,
    )
