"""No text is missing, and none comes out broken, whatever is known and whoever reads."""

import re

import pytest

from bot.domain.delivery import Purpose
from bot.domain.payment import LinkStatus
from bot.texts import Facts, Texts, Wording
from bot.texts.catalog import BUILT_IN, built_in, read_catalog, text_files
from bot.texts.clean import CONCEPT_CHARS, NAME_CHARS
from bot.texts.locales import LANGUAGES
from bot.texts.overrides import read_overrides
from bot.texts.purposes import FORM_OF, MANNERS, SUBJECT, WORDS
from channels.base import ChannelName
from tests.unit.texts.examples import LINK, WEEKS

TEXTS = Texts(merchant="Librería Sol", overrides=None, default_locale="es")
SENT = [
    (purpose, channel)
    for purpose, manner in MANNERS.items()
    for channel, form in FORM_OF.items()
    if form in manner.forms and channel is not ChannelName.TELEGRAM
]
HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def links_told(purpose: str, channel: ChannelName, facts: Facts) -> int:
    """How many links a text has; by SMS a digest has room for none."""
    if "debts" in MANNERS[purpose].needs:
        return 0 if channel is ChannelName.SMS else len(facts.debts)
    return int("url" in MANNERS[purpose].needs)


def pieces(wording: Wording) -> list[str]:
    return [piece for piece in (wording.text, wording.subject) if piece is not None]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_file_and_word(language: str) -> None:
    found = {path.name for path in (BUILT_IN / language).iterdir()}
    assert found == text_files() | {"words.toml"}
    words = built_in().words[language]
    assert {name: set(section) for name, section in words.items()} == {
        name: set(keys) for name, keys in WORDS.items()
    }


def test_every_text_compiles() -> None:
    assert read_catalog(BUILT_IN).problems == []


def test_every_purpose_of_the_domain_has_words() -> None:
    tones = {f"reminder_{tone}" for tone in ("friendly", "due", "last", "promised", "digest")}
    plain = {purpose.value for purpose in Purpose} - {"reminder", "reply", "invite", "staff"}
    told = {f"staff_{status.value}" for status in LinkStatus if status is not LinkStatus.OPEN}
    assert plain | tones | told <= MANNERS.keys()


@pytest.mark.parametrize("week", WEEKS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("purpose", "channel"), SENT)
def test_a_message_is_whole(purpose: str, channel: ChannelName, language: str, week: str) -> None:
    wording = TEXTS.render(purpose, locale=language, channel=channel, facts=WEEKS[week])
    for piece in pieces(wording):
        assert piece
        assert piece == piece.strip()
        assert not re.search(r"None|  |\n\n\n|[ \t]\n|\(\)|^\s*[,;.]| [,.;:!](\s|$)", piece), piece
        assert not HIDDEN.search(piece)
        assert week == "hostile" or not re.search("[{}<>%]", piece)
        assert not re.search(r"(?<!\d)49(?!\d)", piece)
    is_mail = channel is ChannelName.EMAIL
    assert (wording.subject is not None) is is_mail
    assert (wording.html is not None) is is_mail


@pytest.mark.parametrize("week", WEEKS)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("purpose", "channel"), SENT)
def test_our_link_is_the_only_one(
    purpose: str, channel: ChannelName, language: str, week: str
) -> None:
    wording = TEXTS.render(purpose, locale=language, channel=channel, facts=WEEKS[week])
    links = re.findall(r"https?://\S+|www\.\S+|\S+@\S+", wording.text)
    assert set(links) <= {LINK}
    assert len(links) == links_told(purpose, channel, WEEKS[week])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", [p for p, manner in MANNERS.items() if SUBJECT in manner.forms])
def test_mail_is_escaped_and_shows_its_link_twice(purpose: str, language: str) -> None:
    facts = WEEKS["hostile"]
    wording = TEXTS.render(purpose, locale=language, channel=ChannelName.EMAIL, facts=facts)
    html = wording.html or ""
    assert "onerror" not in re.sub(r"&lt;img.*?(&gt;|…)", "", html)
    assert "<script" not in html
    assert "\n" not in (wording.subject or "\n")
    hrefs = re.findall(r'(?:href|src)="([^"]*)"', html)
    asks = "url" in MANNERS[purpose].needs
    listed = links_told(purpose, ChannelName.EMAIL, facts) - asks
    shown = [LINK] * (2 * asks + listed)
    assert hrefs == shown + ["cid:qr"] * MANNERS[purpose].shows_qr
    assert html.count(f">{LINK}</a>") == asks + listed


def test_long_words_of_others_are_cut() -> None:
    wording = TEXTS.render(
        "link", locale="es", channel=ChannelName.WHATSAPP, facts=WEEKS["hostile"]
    )
    concept = re.search(r"Concepto: (.*)", wording.text)
    name = re.search(r"Hola, (.*?)\. Librería", wording.text)
    assert concept is not None
    assert len(concept[1]) <= CONCEPT_CHARS
    assert concept[1].endswith("…")
    assert name is not None
    assert 0 < len(name[1]) <= NAME_CHARS


def test_a_message_without_its_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="link cannot be worded without amount, url"):
        TEXTS.render("link", locale="es", channel=ChannelName.SMS, facts=Facts(url=""))


def test_our_own_texts_pass_the_trial_of_overrides() -> None:
    assert len(read_overrides(BUILT_IN).texts) == len(LANGUAGES) * len(text_files())
