"""What words mean: each in its language, through accents and typos, and never too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.words import WORDS, Meaning, Word, fold, understand

SAYINGS = [
    (language, word, saying)
    for language, words in WORDS.items()
    for word, sayings in words.items()
    for saying in sayings
]
CONSENT = {Word.STOP, Word.STOP_ALL, Word.STOP_REMINDERS, Word.START}


@pytest.mark.parametrize(("language", "word", "saying"), SAYINGS)
def test_every_saying_means_its_word(language: str, word: Word, saying: str) -> None:
    meaning = understand(f"¡{saying.upper()}!")
    assert meaning is not None
    assert meaning.word is word
    assert not meaning.is_guess
    assert meaning.language in (language, None)


def test_sayings_are_written_folded_and_mean_one_thing() -> None:
    assert all(fold(saying) == saying for _, _, saying in SAYINGS)
    meanings: dict[str, set[Word]] = {}
    for _, word, saying in SAYINGS:
        meanings.setdefault(saying, set()).add(word)
    assert {saying: words for saying, words in meanings.items() if len(words) > 1} == {}


def test_every_word_is_said_in_every_language() -> None:
    assert {language: set(words) for language, words in WORDS.items()} == {
        language: set(Word) for language in WORDS
    }


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("pagr", Word.PAY),
        ("Saldoo", Word.BALANCE),
        ("resibo", Word.RECEIPT),
        ("reeviar", Word.RESEND),
        ("ayuad", Word.HELP),
        ("persnoa", Word.PERSON),
        ("recibbo por favor", Word.RECEIPT),
        ("comporbante", Word.RECEIPT),
        ("i alredy paid", Word.PAID),
        ("atendemte", Word.PERSON),
        ("alluda", Word.HELP),
        ("resivo", Word.RECEIPT),
        ("Resivo por favor", Word.RECEIPT),
        ("oagar", Word.PAY),
        ("payy", Word.PAY),
        ("vaja", Word.STOP),
    ],
)
def test_a_slip_of_the_finger_is_forgiven(typed: str, word: Word) -> None:
    meaning = understand(typed)
    assert meaning is not None
    assert meaning.word is word


@pytest.mark.parametrize("typed", ["baha", "bajaa", "stpo", "sotp", "pare ya", "altaa", "vaja"])
def test_a_slip_never_decides_about_consent(typed: str) -> None:
    meaning = understand(typed)
    assert meaning is None or meaning.word not in CONSENT or meaning.is_guess


@pytest.mark.parametrize(
    "sentence",
    [
        "es para mañana",
        "no voy a parar de pagar",
        "quiero la baja California",
        "please do not stop the delivery",
        "el alto del edificio",
        "vou sair de casa agora e pago depois",
        "no, gracias a usted",
    ],
)
def test_no_sentence_ends_contact(sentence: str) -> None:
    meaning = understand(sentence)
    assert meaning is None or meaning.word not in CONSENT


@pytest.mark.parametrize(
    "sentence",
    [
        "quiero darme de baja",
        "por favor baja",
        "STOP please",
        "no quiero recibir mensajes",
        "no quiero recibir mensajes de pago",
        "unsubscribe me",
        "please don't text me again",
        "pare por favor",
        "pare de me mandar link de pagamento",
        "quero sair",
        "não quero receber cobranças",
        "ya pagué, no me escriban",
        "no más recordatorios por favor",
        "Buenas tardes, les pido por favor que no me escriban más a este número",
    ],
)
def test_a_wish_to_stop_in_a_sentence_is_asked_about(sentence: str) -> None:
    meaning = understand(sentence)
    assert meaning is not None
    assert meaning.word is Word.STOP_ASK


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("vou sair e pago depois", Word.PAY),
        ("el precio es muy alto, quiero pagar menos", Word.PAY),
        ("no reconozco este cobro, no me escriban", Word.DISPUTE),
    ],
)
def test_everyday_words_are_no_wish_to_stop_beside_another(sentence: str, word: Word) -> None:
    meaning = understand(sentence)
    assert meaning is not None
    assert meaning.word is word


@pytest.mark.parametrize(
    "sentence",
    [
        "todavía no he pagado",
        "Aún no lo he pagado",
        "no pagué",
        "no está pagado",
        "I haven't paid yet",
        "i havent paid",
        "I have not paid",
        "not paid",
        "ainda não paguei",
        "não paguei ainda",
        "nunca paguei isso",
    ],
)
def test_what_is_not_paid_is_to_be_paid(sentence: str) -> None:
    meaning = understand(sentence)
    assert meaning is not None
    assert meaning.word is Word.PAY


@pytest.mark.parametrize(
    "sentence",
    [
        "no, ya pagué",
        "No, I paid",
        "no ya está pagado",
        "No. Pagado",
        "eu já paguei",
        "I can't, I paid",
    ],
)
def test_no_before_another_clause_denies_nothing(sentence: str) -> None:
    meaning = understand(sentence)
    assert meaning is not None
    assert meaning.word is Word.PAID


@pytest.mark.parametrize("typed", ["ok", "OK!", "menu", "stop", "cancel", "no", "ola", "nada"])
def test_words_of_every_language_say_nothing_about_it(typed: str) -> None:
    meaning = understand(typed)
    assert meaning is not None
    assert meaning.language is None


@pytest.mark.parametrize(
    ("typed", "reference"),
    [
        ("VERIFICAR INV-22", "INV-22"),
        ("verify A100", "A100"),
        ("¿este mensaje es real?", None),
        ("is this a scam", None),
        ("isso é golpe?", None),
    ],
)
def test_it_may_be_asked_whether_a_message_is_real(typed: str, reference: str | None) -> None:
    meaning = understand(typed)
    assert meaning is not None
    assert (meaning.word, meaning.reference) == (Word.VERIFY, reference)


@pytest.mark.parametrize("typed", ["cancelar", "CANCELAR", "Cancelar.", "cancel", "cancelr"])
def test_cancel_is_never_a_stop(typed: str) -> None:
    meaning = understand(typed)
    assert meaning is not None
    assert meaning.word is Word.CANCEL


@pytest.mark.parametrize(
    ("typed", "word", "reference"),
    [
        ("pagar INV-22", Word.PAY, "INV-22"),
        ("INV-22", Word.PAY, "INV-22"),
        ("quiero pagar la factura INV/2026/7.", Word.PAY, "INV/2026/7"),
        ("recibo de A100", Word.RECEIPT, "A100"),
        ("renovar pay_00ab12", Word.RESEND, "pay_00ab12"),
    ],
)
def test_a_reference_is_found(typed: str, word: Word, reference: str) -> None:
    meaning = understand(typed)
    assert meaning is not None
    assert (meaning.word, meaning.reference) == (word, reference)


@pytest.mark.parametrize("typed", ["", "   ", "?!", "blablabla wxyz", "👍", "1", "x" * 10_000])
def test_what_is_no_word_is_none(typed: str) -> None:
    assert understand(typed) is None


def test_start_of_telegram_is_no_consent() -> None:
    meaning = understand("/start")
    assert meaning is not None
    assert meaning.word is Word.GREETING


@given(st.text(max_size=600))
def test_nothing_typed_breaks_it(typed: str) -> None:
    meaning = understand(typed)
    assert meaning is None or meaning.word in Word


def test_a_uid_without_a_digit_is_a_reference_too() -> None:
    meaning = understand("pagar sfSjlnMOFIgUdkrZVEmQJ")
    assert meaning == Meaning(Word.PAY, None, "sfSjlnMOFIgUdkrZVEmQJ")
