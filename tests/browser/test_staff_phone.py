"""The seller's phone on the phones page: join, send a file, press a button, watch a card, save."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from bot.sandbox import Sandbox
from bot.sandbox.telegram.chats import StoredFile
from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start(port=0, smtp_port=0)
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def phones(browser_page: Watched, sandbox: Sandbox) -> AsyncIterator[Watched]:
    await browser_page.page.goto(sandbox.base_url)
    await browser_page.page.get_by_role("button", name="Staff", exact=True).click()
    yield browser_page
    assert browser_page.complaints == []
    assert browser_page.strangers == []


def seller(sandbox: Sandbox) -> int:
    return sandbox.people.get("staff").telegram_id


async def test_each_view_has_four_phones(phones: Watched) -> None:
    page = phones.page
    await expect(page.locator(".device:visible")).to_have_count(4)
    await expect(page.locator("#staff")).to_be_visible()
    await expect(page.locator("#email")).to_be_hidden()
    await page.reload()
    await expect(page.locator("#staff")).to_be_visible()
    await page.get_by_role("button", name="Customer", exact=True).click()
    await expect(page.locator(".device:visible")).to_have_count(4)
    await expect(page.locator("#staff")).to_be_hidden()


async def test_an_invite_link_is_opened_by_pasting_it(phones: Watched, sandbox: Sandbox) -> None:
    page = phones.page
    await expect(page.locator("#staff .invite")).to_contain_text("Not a message")
    await page.get_by_label("Invite link").fill("https://t.me/bot?start=Abc_123-x")
    await page.get_by_role("button", name="Open", exact=True).click()
    bubble = page.locator("#staff .bubble").last
    await expect(bubble).to_contain_text("/start Abc_123-x")
    assert not sandbox.telegram.chats.chat(sandbox.people.get("ana").telegram_id).messages


async def test_a_file_goes_and_a_file_comes_back(
    phones: Watched, sandbox: Sandbox, tmp_path: Path
) -> None:
    page, chats = phones.page, sandbox.telegram.chats
    sandbox.telegram.start(seller(sandbox))
    path = tmp_path / "marzo.csv"
    path.write_bytes(b"telefono;monto\n")
    await page.locator("#staff input[type=file]").set_input_files(path)
    await expect(page.locator("#staff .mine .document")).to_contain_text("marzo.csv")
    sent = chats.chat(seller(sandbox)).messages[-1]
    assert chats.files[sent.document].content == b"telefono;monto\n"
    await sandbox.telegram.methods.call(
        "sendDocument", {"chat_id": seller(sandbox)} | answer(sandbox)
    )
    came = page.locator("#staff .theirs .document")
    await expect(came).to_contain_text("errores ñ.csv")
    async with page.expect_download() as saving:
        await came.click()
    saved = await saving.value
    assert saved.suggested_filename == "errores ñ.csv"
    kept = tmp_path / "kept.csv"
    await saved.save_as(kept)
    assert _content(kept) == b"fila;motivo\n"


def _content(path: Path) -> bytes:
    return path.read_bytes()


def answer(sandbox: Sandbox) -> dict[str, object]:
    file = StoredFile("errores ñ.csv", "text/csv", b"fila;motivo\n")
    return {"document": sandbox.telegram.chats.store(file), "caption": "2 filas con error"}


async def test_a_card_changes_in_place_and_its_button_is_pressed(
    phones: Watched, sandbox: Sandbox
) -> None:
    page, chat_id = phones.page, seller(sandbox)
    sandbox.telegram.start(chat_id)
    markup = '{"inline_keyboard": [[{"text": "Pausar", "callback_data": "t1"}]]}'
    card = {"chat_id": chat_id, "text": "1 de 9", "reply_markup": markup}
    await sandbox.telegram.methods.call("sendMessage", card)
    shown = page.locator("#staff .theirs").last
    await expect(shown).to_contain_text("1 de 9")
    number = sandbox.telegram.chats.chat(chat_id).messages[-1].message_id
    edit = {"chat_id": chat_id, "message_id": number, "text": "9 de 9", "reply_markup": markup}
    await sandbox.telegram.methods.call("editMessageText", edit)
    await expect(shown).to_contain_text("9 de 9")
    await expect(shown).to_contain_text("edited")
    await page.locator("#staff").get_by_role("button", name="Pausar").click()
    await expect(page.locator("#journal")).to_contain_text("button tapped")
    assert [tap.data for tap in sandbox.telegram.chats.taps.values()] == ["t1"]


async def test_the_seller_is_no_customer(phones: Watched) -> None:
    options = await phones.page.locator("#person option").all_inner_texts()
    assert options == ["Ana"]
