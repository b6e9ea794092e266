"""A merchant's own texts are used, and their faults are found before the first message."""

from pathlib import Path

import pytest

from bot.texts import Texts, TextsError
from channels.base import ChannelName
from tests.unit.texts.examples import TYPICAL


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def load(folder: Path) -> Texts:
    return Texts(merchant="Sol", overrides=folder, default_locale="es")


def problem(folder: Path) -> str:
    with pytest.raises(TextsError) as caught:
        load(folder)
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0]


def test_an_override_replaces_one_text_and_leaves_the_others(tmp_path: Path) -> None:
    write(tmp_path, "es/link.sms", "{{ merchant }}: {{ amount }} {{ url }}\n")
    write(tmp_path, "es/words.toml", '[labels]\npay = "Cancelar mi cuota"\n')
    texts, ours = load(tmp_path), Texts(merchant="Sol", overrides=None, default_locale="es")
    wording = texts.render("link", locale="es", channel=ChannelName.SMS, facts=TYPICAL)
    assert wording.text == f"Sol: Q150.00 {TYPICAL.url}"
    assert texts.label("pay", "es") == "Cancelar mi cuota"
    assert texts.label("help", "es") == ours.label("help", "es")
    spoken = [
        made.render("link", locale="pt", channel=ChannelName.SMS, facts=TYPICAL)
        for made in (texts, ours)
    ]
    assert spoken[0] == spoken[1]
    assert ours.label("pay", "es") == "Pagar"


def test_a_frame_of_ones_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        "frame.email.html",
        "<b>{{ paragraphs | join }}</b>{{ rows }}{% if url %}{{ url }}{% endif %}{{ footer }}",
    )
    wording = load(tmp_path).render("link", locale="es", channel=ChannelName.EMAIL, facts=TYPICAL)
    assert (wording.html or "").startswith("<b>Hola, Ana María López:")


@pytest.mark.parametrize(
    ("name", "text", "line", "what"),
    [
        ("es/receipt.txt", "Hola\n{{ nombre }}", 2, "there is no nombre"),
        ("es/receipt.txt", "Hola\n\n{% if name %}", 3, "Unexpected end of template"),
        ("es/receipt.txt", "{{ name | shout }}", 1, "No filter named 'shout'"),
        ("es/receipt.txt", "Hola\n{{ name }}", 2, "'name' is undefined"),
        ("es/receipt.txt", "{% if concept %}\n{{ name }}{% endif %}", 2, "'name' is undefined"),
        ("es/receipt.txt", "a\n{{ amount.__class__.__mro__ }}", 2, "unsafe"),
        ("es/receipt.txt", "{% if name %}\n{{ name.first }}{% endif %}", 2, "no attribute 'first'"),
        ("es/receipt.txt", "a\n\n{{ 1 / 0 }}", 3, "division by zero"),
        ("es/receipt.txt", "{% include 'x' %}", 1, "loader"),
        ("es/receipt.txt", "{{ range(9) }}", 1, "there is no range"),
        ("es/link.sms", "{{ merchant }}: {{ amount }}", 1, "the link is missing"),
        ("es/linck.sms", "{{ url }}", 1, "no text of this name"),
        ("fr/link.sms", "{{ url }}", 1, "es, en, pt-BR"),
        ("link.sms", "{{ url }}", 1, "a folder a language"),
        ("es/words.toml", '[labels]\npay = "Pagar', 2, "Unterminated string"),
        ("es/words.toml", '[labels]\nbuy = "Pagar"', 1, "has no buy"),
        ("es/words.toml", "[labels]\npay = 1", 1, "must be a text"),
        ("es/words.toml", "[lables]\n", 1, "no section lables"),
        ("es/words.toml", '[patterns]\nday = "YYYYYYYY-qqqqqqqqq"', 1, "date pattern"),
        ("frame.email.txt", "{{ paragraphs }}{{ rows }}{{ url }}", 1, "must show footer"),
        (
            "frame.email.html",
            "{{ paragraphs }}{{ rows }}{{ footer }}\n{% if url %}{{ url.host }}{% endif %}",
            2,
            "no attribute 'host'",
        ),
    ],
)
def test_a_broken_text_is_named_by_file_and_line(
    tmp_path: Path, name: str, text: str, line: int, what: str
) -> None:
    path = write(tmp_path, name, text)
    found = problem(tmp_path)
    assert found.startswith(f"{path}:{line}: ")
    assert what in found


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "es/link.sms", "")
    path.write_bytes(b"\xff\xfe{{ url }}")
    assert problem(tmp_path).startswith(f"{path}:1: cannot be read")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "es/receipt.txt", "{{ a }}\n{{ b }}")
    write(tmp_path, "en/receipt.txt", "{% fi %}")
    write(tmp_path, ".DS_Store", "not ours to judge")
    with pytest.raises(TextsError) as caught:
        load(tmp_path)
    assert len(caught.value.problems) == 3
    assert str(caught.value).splitlines() == list(caught.value.problems)
