"""Everything that customers may say to be understood, in Spanish, English and Portuguese."""

from collections.abc import Mapping
from enum import StrEnum


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
    STOP_ASK = "stop_ask"
    """To be left alone, said in a sentence: never acted on without asking."""
    START = "start"
    """Messages again."""
    PAID = "paid"
    """The person says that the money is on its way."""
    SHOP = "shop"
    """What can be bought."""
    DISPUTE = "dispute"
    """The person does not recognise what is asked of them."""
    VERIFY = "verify"
    """Whether a message is really the merchant's."""
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
    Word.STOP_ASK: (
        *("no quiero recibir", "no quiero mas mensajes", "no quiero mensajes", "no deseo recibir"),
        *("no quiero que me escriban", "no me manden", "no me envien", "dejen de mandar"),
        *("dejen de enviar", "no me molesten", "no molesten", "borren mi numero"),
    ),
    Word.START: ("alta", "darme de alta", "reanudar", "volver a recibir"),
    Word.PAID: (
        *("ya pague", "ya lo pague", "ya esta pagado", "ya cancele", "ya deposite", "pagado"),
        *("ya transferi", "acabo de pagar", "ya hice el pago", "ya realice el pago"),
    ),
    Word.SHOP: (
        *("catalogo", "comprar", "productos", "precios", "tienda", "quiero comprar", "que venden"),
    ),
    Word.DISPUTE: (
        *("no reconozco", "no lo reconozco", "no la reconozco", "no reconosco", "no lo reconosco"),
        *("no es mio", "no es mi cobro", "no es mi deuda", "cobro desconocido", "no debo nada"),
        *("no debo eso", "no he comprado", "no compre nada", "desconozco este cobro"),
    ),
    Word.VERIFY: (
        *("verificar", "verifica", "verificacion", "es real", "es verdadero", "es autentico"),
        *("es oficial", "es confiable", "estafa", "fraude", "phishing"),
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
    Word.STOP_ASK: (
        *("don t want messages", "don t text me", "do not text me", "dont text me"),
        *("don t message me", "do not message me", "don t write to me", "do not write to me"),
        *("don t contact me", "do not contact me", "no more texts", "leave me alone", "remove me"),
    ),
    Word.START: ("start", "unstop", "resume", "subscribe"),
    Word.PAID: ("i paid", "i already paid", "already paid", "i have paid", "paid", "just paid"),
    Word.SHOP: ("catalog", "catalogue", "shop", "buy", "products", "prices", "i want to buy"),
    Word.DISPUTE: (
        *("i don t recognise", "i don t recognize", "i do not recognise", "i do not recognize"),
        *("don t recognise", "don t recognize", "dont recognise", "dont recognize", "not mine"),
        *("i didn t buy", "i did not buy", "i don t owe", "i do not owe", "dispute"),
    ),
    Word.VERIFY: (
        *("verify", "is this real", "is it real", "message real", "is this legit", "legit"),
        *("scam", "fraud", "phishing"),
    ),
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
    Word.STOP_ASK: (
        *("nao quero receber", "nao quero mensagens", "nao me mande", "nao me mandem"),
        *("nao me envie", "nao me enviem", "nao me escreva", "nao me escrevam", "parem de"),
    ),
    Word.START: ("voltar", "retomar", "voltar a receber", "inscrever"),
    Word.PAID: ("ja paguei", "paguei", "ja esta pago", "acabei de pagar", "ja transferi"),
    Word.SHOP: ("catalogo", "comprar", "produtos", "precos", "loja", "quero comprar"),
    Word.DISPUTE: (
        *("nao reconheco", "nao reconheco isso", "nao reconheco essa cobranca", "nao e meu"),
        *("nao e minha", "cobranca desconhecida", "nao comprei", "nao devo nada", "nao devo isso"),
    ),
    Word.VERIFY: (
        *("verificar", "verifique", "e real", "e verdade", "e verdadeira", "e confiavel"),
        *("golpe", "fraude", "phishing"),
    ),
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

NEUTRAL = frozenset(
    (
        *("ok", "okay", "menu", "no", "nada", "ola"),
        *("stop", "stopall", "start", "unstop", "cancel", "quit"),
    )
)
"""Sayings that are written in every language, carriers' own words among them."""

EVERYDAY = frozenset({"alto", "sair"})
"""Words to stop that mean something else in most sentences: only where nothing else is said."""

DENIALS = frozenset(
    (
        *("no", "nunca", "sin", "tampoco", "nao", "sem", "nem", "not", "never"),
        *("t", "havent", "hasnt", "didnt", "isnt", "cannot"),
    )
)
"""What makes a saying behind it mean the contrary; "t" is what is left of "haven't"."""
