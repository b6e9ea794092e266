"""The phones page, driven as a person would: read, tap, pay, write, break things."""

import asyncio
import json
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import expect

from bot.sandbox import MigoConfig, Person, Sandbox, SandboxConfig
from tests.browser.conftest import Watched
from tests.unit.sandbox.service import Service

pytestmark = pytest.mark.browser

PHONE, CHAT = "+50255551234", 700000777


class Merchant:
    """Plays the service: sends on every channel through the providers' own APIs."""

    def __init__(self, sandbox: Sandbox, http: httpx.AsyncClient) -> None:
        self._env = sandbox.environment()
        self._http = http

    async def link(self) -> dict[str, str]:
        body = {"amount": 15000, "userId": PHONE, "channel": "wa", "client": "shop", "ads": []}
        headers = {"authorization": self._env["MIGO_TOKEN"]}
        url = f"{self._env['MIGO_BASE_URL']}/transactions"
        made: dict[str, str] = (await self._http.post(url, headers=headers, json=body)).json()
        return made

    async def text(self, *, whatsapp: bool, **form: str) -> None:
        account = self._env["TWILIO_ACCOUNT_SID"]
        prefix = "whatsapp:" if whatsapp else ""
        sender = self._env["TWILIO_WHATSAPP_FROM" if whatsapp else "TWILIO_SMS_FROM"]
        await self._http.post(
            f"{self._env['TWILIO_BASE_URL']}/2010-04-01/Accounts/{account}/Messages.json",
            auth=(account, self._env["TWILIO_AUTH_TOKEN"]),
            data={"To": prefix + PHONE, "From": prefix + sender} | form,
        )

    async def bot(self, method: str, **form: object) -> None:
        token = self._env["TELEGRAM_BOT_TOKEN"]
        url = f"{self._env['TELEGRAM_API_URL']}/bot{token}/{method}"
        (await self._http.post(url, json=form)).raise_for_status()

    async def mail(self, html: str) -> None:
        message = EmailMessage()
        message["From"], message["To"] = "Shop <p@shop.example>", "ana@example.com"
        message["Subject"] = "Your link"
        message.set_content("plain")
        message.add_alternative(html, "html")
        address = urlsplit(self._env["SMTP_URL"])

        def send() -> None:
            with smtplib.SMTP(address.hostname or "", address.port or 0, timeout=5) as smtp:
                smtp.send_message(message)

        await asyncio.to_thread(send)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    people = (Person("ana", "Ana", PHONE, "ana@example.com", CHAT),)
    sandbox = Sandbox(SandboxConfig(migo=MigoConfig(client="shop", merchant="Shop"), people=people))
    await sandbox.start(port=0, smtp_port=0)
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def service(sandbox: Sandbox) -> Service:
    service = Service()
    sandbox.point_at("http://service", transport=service.transport)
    return service


@pytest.fixture
async def merchant(sandbox: Sandbox) -> AsyncIterator[Merchant]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Merchant(sandbox, http)


@pytest.fixture
async def phones(browser_page: Watched, sandbox: Sandbox) -> AsyncIterator[Watched]:
    await browser_page.page.goto(sandbox.base_url)
    await expect(browser_page.page.locator(".composer")).to_have_count(4)
    yield browser_page
    assert browser_page.complaints == []
    assert browser_page.strangers == []


async def test_a_template_is_read_tapped_and_paid(
    phones: Watched, merchant: Merchant, sandbox: Sandbox, service: Service
) -> None:
    page, made = phones.page, await merchant.link()
    content = next(c for c in sandbox.twilio.contents.values() if c.buttons[1:])
    values = {**content.samples, "1": "<b>Ana</b>", "5": made["uid"]}
    await merchant.text(
        whatsapp=True,
        ContentSid=content.sid,
        ContentVariables=json.dumps(values),
        StatusCallback="http://service/webhooks/twilio/status",
    )
    bubble = page.locator("#whatsapp .bubble.theirs")
    await expect(bubble).to_contain_text("<b>Ana</b>")
    await expect(bubble).to_have_attribute("data-status", "read")

    await page.locator("#whatsapp a.card-button").click()
    checkout = page.frame_locator("#browser-frame")
    await expect(checkout.locator(".amount")).to_contain_text("Q150.00")
    await checkout.locator("button.pay").click()
    await expect(checkout.locator("[data-status=approved]")).to_be_visible()
    await page.locator("#browser-close").click()
    await expect(page.locator("#links .pill")).to_have_text("approved")

    await page.locator("#whatsapp button.card-button").click()
    await expect(page.locator("#whatsapp .bubble.mine")).to_have_count(1)
    await sandbox.settled()
    paid = [call for call in service.calls if call.path == "/webhooks/migo"]
    taps = [dict(call.form()) for call in service.calls if call.path.endswith("/inbound")]
    assert [call.json()["status"] for call in paid] == ["approved"]
    assert [tap["ButtonPayload"] for tap in taps] == [content.buttons[1].payload]


async def test_free_text_outside_the_window_is_shown_as_lost(
    phones: Watched, merchant: Merchant, service: Service
) -> None:
    page = phones.page
    await merchant.text(whatsapp=True, Body="too late")
    await expect(page.locator("#whatsapp .provider.bad")).to_contain_text("63016")
    await page.locator("#whatsapp .switch").first.click()
    await expect(page.locator("#whatsapp .switch").first).to_have_attribute("aria-checked", "true")
    await merchant.text(whatsapp=True, Body="in time")
    await expect(page.locator("#whatsapp .bubble").last).to_have_attribute("data-status", "read")


async def test_sms_is_answered_with_stop(
    phones: Watched, merchant: Merchant, sandbox: Sandbox, service: Service
) -> None:
    page, made = phones.page, await merchant.link()
    await merchant.text(whatsapp=False, Body=f"Shop: pay {made['URL']}")
    await expect(page.locator("#sms .provider")).to_contain_text("1 segment")
    await page.locator("#sms .bubble a").click()
    await expect(page.frame_locator("#browser-frame").locator(".amount")).to_be_visible()
    await page.locator("#browser-close").click()
    await page.locator("#sms input").fill("STOP")
    await page.locator("#sms input").press("Enter")
    # The banner is there all along, hidden: its text alone says nothing.
    await expect(page.locator("#sms .banner", has_text="Opted out")).to_be_visible()
    assert PHONE in sandbox.twilio.handsets.opted_out


async def test_mail_is_harmless_and_its_link_opens(phones: Watched, merchant: Merchant) -> None:
    page, made = phones.page, await merchant.link()
    await merchant.mail(
        f'<script>parent.document.title="owned"</script><img src="http://tracker.example/x.png">'
        f'<h2>Pay</h2><a id="go" href="{made["URL"]}">Pay now</a>'
    )
    mail = page.frame_locator("#email iframe")
    await mail.locator("#go").click()
    await expect(page.frame_locator("#browser-frame").locator(".amount")).to_be_visible()
    assert await page.title() == "Paybot sandbox · phones"
    # The browser says on its console what the mail was not allowed to do; that is expected here.
    assert all("tracker" in text or "script" in text for text in phones.complaints)
    phones.complaints.clear()


async def test_telegram_starts_shares_and_taps(
    phones: Watched, merchant: Merchant, sandbox: Sandbox
) -> None:
    page = phones.page
    await page.locator("#telegram .start").click()
    await expect(page.locator("#telegram .bubble.mine")).to_contain_text("/start")
    ask = {"keyboard": [[{"text": "Share", "request_contact": True}]], "one_time_keyboard": True}
    await merchant.bot("sendMessage", chat_id=CHAT, text="Your number?", reply_markup=ask)
    await page.locator("#telegram .key-row button").click()
    await expect(page.locator("#telegram .contact")).to_contain_text("50255551234")
    await expect(page.locator("#telegram .keyboard")).to_be_hidden()
    inline = {"inline_keyboard": [[{"text": "Paid", "callback_data": "paid:1"}]]}
    await merchant.bot("sendMessage", chat_id=CHAT, text="Pay", reply_markup=inline)
    await page.locator("#telegram .inline-button").click()
    await expect(page.locator("#journal")).to_contain_text("button tapped")
    kinds = [
        next(key for key in one.body if key != "update_id")
        for one in sandbox.telegram.updates.pending
    ]
    assert kinds == ["message", "message", "callback_query"]
    tap = next(iter(sandbox.telegram.chats.taps))
    await merchant.bot("answerCallbackQuery", callback_query_id=tap, text="Thank you")
    await expect(page.locator("#toast")).to_have_text("Thank you")


async def test_faults_are_ordered_and_withdrawn(phones: Watched, sandbox: Sandbox) -> None:
    page = phones.page
    await page.get_by_role("button", name="Repeat").click()
    await expect(page.locator("#pending .tag")).to_have_text("migo callback · duplicate")
    assert [fault.kind.value for fault in sandbox.faults.pending()] == ["duplicate"]
    await page.get_by_role("button", name="Clear all").click()
    await expect(page.locator("#pending")).to_be_hidden()


@pytest.mark.parametrize("view", ["Customer", "Staff"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_nothing_is_wider_than_the_window(phones: Watched, width: int, view: str) -> None:
    await phones.page.set_viewport_size({"width": width, "height": 800})
    await phones.page.get_by_role("button", name=view, exact=True).click()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await phones.page.evaluate(overflow) == 0
