"""The product's main job: a link goes out, is paid, and comes back as a receipt."""

import pytest

from tests.flow.service import EMAIL, PHONE, Service
from tests.services import eventually

DELIVERED = ("delivered", "read")


@pytest.mark.parametrize("channel", ["whatsapp", "sms"])
async def test_a_link_is_paid_and_receipted_over_twilio(any_service: Service, channel: str) -> None:
    payment = await any_service.create(channel)
    await any_service.until_message(payment, "link", *DELIVERED)
    linked = await any_service.read(payment)
    uid = any_service.uid_of(linked)
    any_service.sandbox.migo.approve(uid)
    await any_service.until_status(payment, "paid")
    await any_service.until_message(payment, "receipt", *DELIVERED)
    first, second = any_service.sandbox.twilio.handsets.received_by(_to(channel))
    shown = [first.body, *(button.url for button in first.buttons)]
    assert any(linked["links"][0]["url"] in each for each in shown)
    assert "150" in second.body


def _to(channel: str) -> str:
    return f"whatsapp:{PHONE}" if channel == "whatsapp" else PHONE


async def test_a_link_is_paid_and_receipted_over_email(any_service: Service) -> None:
    payment = await any_service.create("email")
    await any_service.until_message(payment, "link", "accepted")
    linked = await any_service.read(payment)
    any_service.sandbox.migo.approve(any_service.uid_of(linked))
    await any_service.until_message(payment, "receipt", "accepted")
    first, second = any_service.sandbox.mailbox.read_by(EMAIL)
    assert linked["links"][0]["url"] in first.text
    assert linked["links"][0]["url"].replace("&", "&amp;") in first.html
    assert first.pictures, "the link's QR code is in the mail"
    assert "150" in second.text


async def test_a_link_is_paid_and_receipted_over_telegram(service: Service) -> None:
    chat_id = service.bind_telegram()
    chat = service.sandbox.telegram.chats.chat(chat_id)
    await eventually(lambda: len([each for each in chat.messages if each.is_from_bot]) >= 2, 30)
    payment = await service.create("telegram")
    await service.until_message(payment, "link", "accepted", within_s=30)
    linked = await service.read(payment)
    service.sandbox.migo.approve(service.uid_of(linked))
    await service.until_message(payment, "receipt", "accepted")
    said = [each for each in chat.messages if each.is_from_bot]
    assert linked["links"][0]["url"] in str(said[-2])
    assert "150" in str(said[-1])


async def test_a_number_without_whatsapp_gets_a_fresh_link_by_sms(any_service: Service) -> None:
    any_service.sandbox.faults.order("twilio", "create", "refuse", code=63024)
    payment = await any_service.create("whatsapp", "sms")
    await any_service.until_message(payment, "link", *DELIVERED)
    found = await any_service.read(payment)
    assert [each["migo_channel"] for each in found["links"]] == ["wa", "sms"]
    assert [each["superseded"] for each in found["links"]] == [True, False]
    assert not any_service.sandbox.twilio.handsets.received_by(f"whatsapp:{PHONE}")
    assert len(any_service.sandbox.twilio.handsets.received_by(PHONE)) == 1


async def test_a_link_that_whatsapp_could_not_deliver_goes_by_sms_unchanged(
    service: Service,
) -> None:
    service.sandbox.faults.order("twilio", "deliver", "refuse", code=63049)
    payment = await service.create("whatsapp", "sms")
    await service.until_message(payment, "link", *DELIVERED)
    found = await service.read(payment)
    assert len(found["links"]) == 1
    assert {each["channel"] for each in found["messages"]} == {"whatsapp", "sms"}


async def test_silence_on_the_first_channel_brings_the_second(any_service: Service) -> None:
    any_service.sandbox.faults.order("twilio", "status", "never", times=10)
    payment = await any_service.create("whatsapp", "email")
    message = await any_service.until_message(payment, "link", "accepted", within_s=5)
    assert message["channel"] == "whatsapp"
    await eventually(lambda: len(any_service.sandbox.mailbox.read_by(EMAIL)) == 1, 15)
    assert len((await any_service.read(payment))["links"]) == 1


async def test_a_wrong_amount_is_held_and_never_receipted(any_service: Service) -> None:
    payment = await any_service.create("sms")
    await any_service.until_message(payment, "link", *DELIVERED)
    uid = any_service.uid_of(await any_service.read(payment))
    any_service.sandbox.migo.approve(uid, amount_minor=15001)
    held = await any_service.until_status(payment, "held")
    assert not [each for each in held["messages"] if each["purpose"] == "receipt"]
    assert any(each["kind"] == "mismatch" for each in held["alerts"])


async def test_a_repeated_callback_changes_nothing(any_service: Service) -> None:
    payment = await any_service.create("sms")
    await any_service.until_message(payment, "link", *DELIVERED)
    uid = any_service.uid_of(await any_service.read(payment))
    any_service.sandbox.faults.order("migo", "callback", "duplicate", copies=5)
    any_service.sandbox.migo.approve(uid)
    await any_service.until_message(payment, "receipt", *DELIVERED)
    before = await any_service.read(payment)
    posted = await any_service.sandbox.migo.replay(uid)
    assert posted is not None
    assert posted.status == 200
    after = await any_service.read(payment)
    assert after["timeline"] == before["timeline"]
    receipts = [each for each in after["messages"] if each["purpose"] == "receipt"]
    assert len(receipts) == 1


async def test_money_back_is_told(service: Service) -> None:
    payment = await service.create("sms")
    await service.until_message(payment, "link", *DELIVERED)
    uid = service.uid_of(await service.read(payment))
    service.sandbox.migo.approve(uid)
    await service.until_message(payment, "receipt", *DELIVERED)
    service.sandbox.migo.refund(uid)
    await service.until_status(payment, "refunded")
    await service.until_message(payment, "refunded", *DELIVERED)


async def test_a_lost_answer_to_create_makes_a_second_attempt_and_one_link(
    service: Service,
) -> None:
    service.sandbox.faults.order("migo", "create", "drop_answer")
    payment = await service.create("sms")
    await service.until_message(payment, "link", *DELIVERED, within_s=30)
    found = await service.read(payment)
    assert len(found["links"]) == 1
    assert len(service.sandbox.migo.transactions) == 2


async def test_a_blocked_customer_is_held_in_plain_words(service: Service) -> None:
    service.sandbox.faults.order("migo", "create", "refuse", code=2004)
    payment = await service.create("sms")
    held = await service.until_status(payment, "held")
    assert "bloque" in held["alerts"][0]["detail"]


async def test_web_gives_the_link_and_its_code_back(service: Service) -> None:
    payment = await service.create("web")
    linked = await service.until_status(payment, "linked")
    assert linked["links"][0]["url"].startswith(service.sandbox.base_url)
    assert linked["links"][0]["migo_channel"] == "web"
    picture = await service.http.get(f"/v1/payments/{payment['id']}/qr.png")
    assert picture.content.startswith(b"\x89PNG")


async def test_a_forwarded_contact_binds_nobody(service: Service) -> None:
    chat_id = service.sandbox.people.by_phone(PHONE).telegram_id
    service.sandbox.telegram.start(chat_id)
    service.sandbox.telegram.share_contact(chat_id, phone="+50255559999")
    chat = service.sandbox.telegram.chats.chat(chat_id)
    await eventually(lambda: len([each for each in chat.messages if each.is_from_bot]) >= 2, 30)
    payment = await service.create("telegram", customer={"phone": "+50255559999"})
    await service.until_message(payment, "link", "dead")


async def test_stop_is_heard_and_a_receipt_still_comes(any_service: Service) -> None:
    payment = await any_service.create("whatsapp")
    await any_service.until_message(payment, "link", *DELIVERED)
    await any_service.sandbox.twilio.handsets.write(f"whatsapp:{PHONE}", "BAJA")
    received = any_service.sandbox.twilio.handsets.received_by
    await eventually(lambda: len(received(f"whatsapp:{PHONE}")) == 2)
    second = await any_service.create("whatsapp")
    await any_service.until_message(second, "link", "dead")
    any_service.sandbox.migo.approve(any_service.uid_of(await any_service.read(payment)))
    await any_service.until_message(payment, "receipt", *DELIVERED)
