"""What a customer's words mean, in Spanish, English and Portuguese; accents and typos forgiven."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from rapidfuzz.distance import OSA

MAX_READ_CHARS = 500
_MIN_TYPO_CHARS = 4
_LONG_CHARS = 8
_MAX_WORDS_AROUND = 8


class Word(StrEnum):
    """What a person can ask of the bot."""

    PAY = "pay"
    """Pay what is open, or one reference."""
    BALANCE = "balance"
    """What is open, without links."""
    RECEIPT = "receipt"
    """The last receipts again."""
    RESEND = "resend"
    """The link again, or a fresh start of an expired one."""
    HELP = "help"
    """What the bot can do."""
    PERSON = "person"
    """Somebody of the staff."""
    STOP = "stop"
    """No more messages on this channel."""
    STOP_ALL = "stop_all"
    """No more messages on any channel."""
    STOP_REMINDERS = "stop_reminders"
    """No more reminders; links still come."""
    START = "start"
    """Messages again."""
    PAID = "paid"
    """The person says that the money is on its way."""
    SHOP = "shop"
    """What can be bought."""
    CANCEL = "cancel"
    """To pay in much of Latin America, to stop elsewhere: never acted on without asking."""
    TELEGRAM = "telegram"
    """To be written to on Telegram."""
    YES = "yes"
    NO = "no"
    GREETING = "greeting"
    THANKS = "thanks"
    SPANISH = "es"
    ENGLISH = "en"
    PORTUGUESE = "pt-BR"


_SPANISH: Mapping[Word, tuple[str, ...]] = {
    Word.PAY: ("pagar", "pago", "pagos", "quiero pagar", "pagar ahora", "link de pago", "enlace"),
    Word.BALANCE: (
        *("saldo", "deuda", "deudas", "cuanto debo", "que debo", "estado de cuenta", "mi cuenta"),
        *("pendiente", "pendientes"),
    ),
    Word.RECEIPT: ("recibo", "recibos", "comprobante", "comprobantes", "factura"),
    Word.RESEND: (
        *("reenviar", "reenvio", "reenvia", "reenvie", "renovar", "renueva", "renueve"),
        *("otro link", "otro enlace", "nuevo link", "nuevo enlace", "vencio el link"),
    ),
    Word.HELP: ("ayuda", "ayudame", "opciones", "que puedes hacer", "como funciona", "comandos"),
    Word.PERSON: (
        *("persona", "agente", "asesor", "asesora", "humano", "operador", "alguien"),
        *("hablar con una persona", "hablar con alguien", "atencion al cliente"),
    ),
    Word.STOP: (
        *("baja", "alto", "parar", "no mas mensajes", "dar de baja", "darme de baja"),
        *("no me escriban", "no me escriba mas", "dejen de escribir"),
    ),
    Word.STOP_ALL: ("baja todo", "baja de todo", "baja total", "baja en todos los canales"),
    Word.STOP_REMINDERS: (
        *("no mas recordatorios", "sin recordatorios", "baja recordatorios"),
        *("parar recordatorios", "quitar recordatorios"),
    ),
    Word.START: ("alta", "darme de alta", "reanudar", "volver a recibir"),
    Word.PAID: (
        *("ya pague", "ya lo pague", "ya esta pagado", "ya cancele", "ya deposite", "pagado"),
        *("ya transferi", "acabo de pagar", "ya hice el pago", "ya realice el pago"),
    ),
    Word.SHOP: (
        *("catalogo", "comprar", "productos", "precios", "tienda", "quiero comprar", "que venden"),
    ),
    Word.CANCEL: ("cancelar", "quiero cancelar", "cancelacion"),
    Word.TELEGRAM: ("telegram", "por telegram", "prefiero telegram", "escribanme por telegram"),
    Word.YES: ("si", "claro", "confirmar", "confirmo", "de acuerdo", "dale", "correcto"),
    Word.NO: ("no", "no gracias", "mejor no", "nada", "ninguno", "salir"),
    Word.GREETING: (
        *("hola", "buenas", "buenos dias", "buenas tardes", "buenas noches", "que tal"),
    ),
    Word.THANKS: ("gracias", "muchas gracias", "mil gracias", "gracias igualmente"),
    Word.SPANISH: ("espanol", "castellano"),
    Word.ENGLISH: ("ingles",),
    Word.PORTUGUESE: ("portugues",),
}
_ENGLISH: Mapping[Word, tuple[str, ...]] = {
    Word.PAY: ("pay", "payment", "pay now", "i want to pay", "payment link"),
    Word.BALANCE: ("balance", "how much do i owe", "what do i owe", "debt", "outstanding"),
    Word.RECEIPT: ("receipt", "receipts", "invoice", "proof of payment"),
    Word.RESEND: ("resend", "send again", "renew", "new link", "another link", "link expired"),
    Word.HELP: ("help", "options", "commands", "what can you do", "menu"),
    Word.PERSON: (
        *("person", "human", "agent", "talk to a person", "talk to someone", "representative"),
        *("customer service",),
    ),
    Word.STOP: ("stop", "unsubscribe", "stopall", "no more messages", "stop messages", "opt out"),
    Word.STOP_ALL: ("stop all", "stop everything", "unsubscribe all"),
    Word.STOP_REMINDERS: ("no more reminders", "stop reminders", "no reminders"),
    Word.START: ("start", "unstop", "resume", "subscribe"),
    Word.PAID: ("i paid", "i already paid", "already paid", "i have paid", "paid", "just paid"),
    Word.SHOP: ("catalog", "catalogue", "shop", "buy", "products", "prices", "i want to buy"),
    Word.CANCEL: ("cancel", "quit", "exit"),
    Word.TELEGRAM: ("telegram", "on telegram", "i prefer telegram", "use telegram"),
    Word.YES: ("yes", "yeah", "ok", "okay", "sure", "confirm", "correct"),
    Word.NO: ("nope", "no thanks", "none", "nothing"),
    Word.GREETING: ("hello", "hi", "hey", "good morning", "good afternoon", "good evening"),
    Word.THANKS: ("thanks", "thank you", "thank you very much", "great thanks"),
    Word.SPANISH: ("spanish",),
    Word.ENGLISH: ("english",),
    Word.PORTUGUESE: ("portuguese",),
}
_PORTUGUESE: Mapping[Word, tuple[str, ...]] = {
    Word.PAY: ("pagar", "pagamento", "quero pagar", "link de pagamento"),
    Word.BALANCE: ("saldo", "divida", "quanto devo", "o que devo", "minha conta"),
    Word.RECEIPT: ("recibo", "comprovante", "comprovantes", "nota"),
    Word.RESEND: (
        *("reenviar", "reenvie", "enviar de novo", "renovar", "novo link", "outro link"),
        *("link venceu",),
    ),
    Word.HELP: ("ajuda", "opcoes", "comandos", "como funciona", "o que voce faz"),
    Word.PERSON: (
        *("pessoa", "atendente", "falar com uma pessoa", "falar com alguem", "humano"),
        *("atendimento",),
    ),
    Word.STOP: (
        *("sair da lista", "pare", "parar", "descadastrar", "nao quero mais mensagens"),
        *("sem mensagens", "chega de mensagens", "sair"),
    ),
    Word.STOP_ALL: ("parar tudo", "sair de tudo", "sair de todos os canais"),
    Word.STOP_REMINDERS: ("sem lembretes", "parar lembretes", "chega de lembretes"),
    Word.START: ("voltar", "retomar", "voltar a receber", "inscrever"),
    Word.PAID: ("ja paguei", "paguei", "ja esta pago", "acabei de pagar", "ja transferi"),
    Word.SHOP: ("catalogo", "comprar", "produtos", "precos", "loja", "quero comprar"),
    Word.CANCEL: ("cancelar", "cancelamento", "quero cancelar"),
    Word.TELEGRAM: ("telegram", "pelo telegram", "prefiro telegram", "quero telegram"),
    Word.YES: ("sim", "claro", "confirmar", "confirmo", "pode ser", "certo"),
    Word.NO: ("nao", "nao obrigado", "nao obrigada", "nenhum"),
    Word.GREETING: ("ola", "oi", "bom dia", "boa tarde", "boa noite", "tudo bem"),
    Word.THANKS: ("obrigado", "obrigada", "muito obrigado", "muito obrigada", "valeu"),
    Word.SPANISH: ("espanhol",),
    Word.ENGLISH: ("ingles",),
    Word.PORTUGUESE: ("portugues",),
}
WORDS: Mapping[str, Mapping[Word, tuple[str, ...]]] = {
    "es": _SPANISH,
    "en": _ENGLISH,
    "pt-BR": _PORTUGUESE,
}
"""Every word by language, folded: small letters, no accents, single spaces."""

_STOPPING = frozenset({Word.STOP, Word.STOP_ALL, Word.STOP_REMINDERS, Word.START})
_ONLY_ALONE = _STOPPING | {
    Word.YES,
    Word.NO,
    Word.GREETING,
    Word.THANKS,
    Word.CANCEL,
    Word.TELEGRAM,
}
"""Words that mean this only as the whole message: "no", "alta" and "para" occur in any sentence."""

_REFERENCE = re.compile(r"(?=[^\s]*[0-9])[A-Za-z0-9][A-Za-z0-9._/#-]{2,63}")
_NOT_LETTERS = re.compile(r"[^a-z0-9 ]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text asks for.

    `language` is None where the word says nothing about it. `reference` is what looks like the name
    of one payment. `is_guess` is set where a typo was forgiven.
    """

    word: Word
    language: str | None = None
    reference: str | None = None
    is_guess: bool = False


def understand(text: str) -> Meaning | None:
    """Read a message; None if it asks for nothing we know.

    Words about consent and plain answers count only as the whole message, so that no sentence that
    happens to contain one ends contact. A typo in them is a guess, and never more.
    """
    read = text[:MAX_READ_CHARS].strip()
    said = fold(read)
    if not said:
        return None
    # Telegram's own button that opens a chat, not a wish to be sent messages again.
    if read.lower() == "/start":
        return Meaning(Word.GREETING)
    exact = _vocabulary().get(said)
    if exact is not None:
        return Meaning(exact[0], exact[1])
    reference = _reference_in(read)
    rest = fold(read.replace(reference, " ")) if reference else said
    inside = _inside(rest)
    if inside is not None:
        return Meaning(inside[0], inside[1], reference)
    if reference is not None and not rest:
        return Meaning(Word.PAY, None, reference)
    return _guess(rest, reference)


def fold(text: str) -> str:
    """Small letters without accents and marks, single spaces: "¡Ya pagué!" gives "ya pague"."""
    bare = unicodedata.normalize("NFKD", text.lower())
    letters = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(_NOT_LETTERS.sub(" ", letters).split())


@cache
def _vocabulary() -> Mapping[str, tuple[Word, str | None]]:
    """Every saying with its word, and its language if only one language has it."""
    found: dict[str, tuple[Word, str | None]] = {}
    for language, words in WORDS.items():
        for word, sayings in words.items():
            for saying in sayings:
                known = found.get(saying)
                found[saying] = (word, language) if known is None else (known[0], None)
    return found


@cache
def _sentence_words() -> tuple[tuple[str, tuple[Word, str | None]], ...]:
    """What may stand inside a longer message, the longest sayings first."""
    usable = [
        (saying, meaning)
        for saying, meaning in _vocabulary().items()
        if meaning[0] not in _ONLY_ALONE and (" " in saying or len(saying) > 2)
    ]
    return tuple(sorted(usable, key=lambda each: -len(each[0])))


def _inside(said: str) -> tuple[Word, str | None] | None:
    if len(said.split()) > _MAX_WORDS_AROUND:
        return None
    padded = f" {said} "
    return next((meaning for saying, meaning in _sentence_words() if f" {saying} " in padded), None)


def _guess(said: str, reference: str | None) -> Meaning | None:
    """The nearest saying, if it is near enough; very short words are too like each other."""
    words = said.split()
    if len(words) > _MAX_WORDS_AROUND:
        return None
    for candidate in (said, *(word for word in words if len(words) > 1)):
        nearest = _nearest(candidate)
        if nearest is not None and (candidate == said or nearest[0] not in _ONLY_ALONE):
            return Meaning(nearest[0], nearest[1], reference, is_guess=True)
    return None


def _nearest(said: str) -> tuple[Word, str | None] | None:
    """What one slip of the finger away means; two in long sayings. The first letter must be right.

    A slip is a letter left out, added, changed, or swapped with its neighbour.
    """
    if len(said) < _MIN_TYPO_CHARS:
        return None
    slips = 2 if len(said) >= _LONG_CHARS else 1
    near = [
        (distance, saying)
        for saying in _vocabulary()
        if saying[0] == said[0] and len(saying) >= _MIN_TYPO_CHARS
        if (distance := OSA.distance(said, saying, score_cutoff=slips)) <= slips
    ]
    return _vocabulary()[min(near)[1]] if near else None


def _reference_in(text: str) -> str | None:
    found = _REFERENCE.search(text)
    return None if found is None else found[0].rstrip("./-#")
