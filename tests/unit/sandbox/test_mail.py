"""The mail relay over real sockets."""

import asyncio
import smtplib
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from bot.sandbox import Sandbox

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


def message(to: str = "ana@example.com") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Tienda <p@shop.example>", to, "Pague aquí ñ"
    mail["Message-ID"] = "<one@shop.example>"
    mail.set_content("hola " + "x" * 200)
    mail.add_alternative('<p onclick="x()">hola</p><img src="cid:qr@x"><img src="cid:no">', "html")
    parts = mail.get_payload()
    assert isinstance(parts, list)
    html = parts[1]
    assert isinstance(html, EmailMessage)
    html.add_related(PNG, "image", "png", cid="<qr@x>")
    return mail


@pytest.fixture
async def relay(sandbox: Sandbox) -> Sandbox:
    await sandbox.start(port=0, smtp_port=0)
    return sandbox


async def deliver(sandbox: Sandbox, mail: EmailMessage) -> None:
    address = urlsplit(sandbox.environment()["SMTP_URL"])

    def send() -> None:
        with smtplib.SMTP(address.hostname or "", address.port or 0, timeout=5) as smtp:
            smtp.send_message(mail)

    await asyncio.to_thread(send)


async def test_keeps_parsed_parts(relay: Sandbox) -> None:
    await deliver(relay, message())
    (mail,) = relay.mailbox.read_by("ANA@example.com")
    assert (mail.subject, mail.message_id) == ("Pague aquí ñ", "<one@shop.example>")
    assert mail.text.startswith("hola x")
    assert mail.pictures["qr@x"].content == PNG
    assert "data:image/png;base64," in mail.shown_html()
    assert 'src="cid:no"' in mail.shown_html()


@pytest.mark.parametrize(
    ("operation", "kind", "details", "code"),
    [
        ("data", "refuse", {"body": "554 5.7.1 spam"}, 554),
        ("data", "throttle", {}, 454),
        ("rcpt", "refuse", {"status": 550}, 550),
        ("rcpt", "server_error", {}, 451),
    ],
)
async def test_refuses_as_ordered(
    relay: Sandbox, operation: str, kind: str, details: dict[str, object], code: int
) -> None:
    relay.faults.order("smtp", operation, kind, 1, **details)
    with pytest.raises((smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused)) as caught:
        await deliver(relay, message())
    assert str(code) in str(caught.value)
    assert not relay.mailbox.mails


async def test_a_broken_mailbox_does_not_exist(relay: Sandbox) -> None:
    relay.mailbox.broken.add("ana@example.com")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"5\.1\.1"):
        await deliver(relay, message("Ana@example.com"))


async def test_a_connection_cut_after_the_dot_has_the_mail(relay: Sandbox) -> None:
    relay.faults.order("smtp", "data", "drop_answer")
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        await deliver(relay, message())
    assert len(relay.mailbox.mails) == 1
