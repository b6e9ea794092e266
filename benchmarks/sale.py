"""One full sale on the phones page in Chromium: the seller's first tap to the link in the
customer's WhatsApp, at a person's pace.

Keys are typed and questions read as slowly as below; what the service itself takes is told apart.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright

from tests.browser.conftest import ARGUMENTS, find_chromium
from tests.flow.service import Service

KEY_S, LOOK_S = 0.2, 1.5
WITHIN_S = 60.0
ANSWERS = ("5555 0101", "150.00", "Mensualidad marzo")


class Seller:
    """Somebody with a thumb and eyes: `waited_s` is what the service let them wait."""

    def __init__(self, page: Page) -> None:
        self.phone = page.locator("#staff")
        self.waited_s = 0.0

    async def sees(self, shown: Locator) -> None:
        """Wait for something to appear, and read it."""
        started = time.perf_counter()
        await shown.wait_for()
        self.waited_s += time.perf_counter() - started
        await asyncio.sleep(LOOK_S)

    async def types(self, text: str) -> None:
        field = self.phone.get_by_placeholder("Message", exact=True)
        await field.press_sequentially(text, delay=KEY_S * 1000)
        await field.press("Enter")

    def said(self, text: str) -> Locator:
        return self.phone.locator(".theirs", has_text=text).last


async def sell(page: Page, service: Service) -> tuple[float, float]:
    """Seconds from the first tap to the link, and those of them that the service took."""
    seller = Seller(page)
    customer = page.locator("#whatsapp .theirs", has_text="Q150.00").last
    started = time.perf_counter()
    await seller.phone.get_by_role("button", name="Menu", exact=True).click()
    await asyncio.sleep(LOOK_S)
    await seller.phone.get_by_role("button", name="/cobrar").click()
    for question, answer in zip(("número", "Cuánto", "concepto"), ANSWERS, strict=True):
        await seller.sees(seller.said(question))
        await seller.types(answer)
    await seller.sees(seller.said("Revise antes de enviar"))
    await seller.phone.get_by_role("button", name="Confirmar").last.click()
    tapped = time.perf_counter()
    await customer.wait_for()
    seen = time.perf_counter()
    return seen - started, seller.waited_s + seen - tapped


async def join(page: Page, service: Service) -> None:
    """Let the seller in, as `paybot staff invite` would."""
    made = await service.http.post("/v1/staff/invites", json={"role": "agent", "name": "Marta"})
    await page.get_by_role("button", name="Staff", exact=True).click()
    await page.get_by_label("Invite link").fill(made.json()["text"])
    await page.get_by_role("button", name="Open", exact=True).click()
    await page.locator("#staff .theirs", has_text="Marta").last.wait_for()
    await page.locator("#staff").get_by_role("button", name="Menu", exact=True).wait_for()


async def run(chromium: str) -> tuple[float, float]:
    """One sale on a fresh service."""
    with tempfile.TemporaryDirectory() as folder:
        async with Service(Path(folder)) as service, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=list(ARGUMENTS)
            )
            page = await browser.new_page(viewport={"width": 1280, "height": 900})
            await page.goto(service.sandbox.base_url)
            await join(page, service)
            took = await sell(page, service)
            await browser.close()
            return took


def main() -> bool:
    """Print the figure; True if it is under a minute, or there is no browser to measure with."""
    chromium = find_chromium()
    if chromium is None:
        print("sale: no Chromium; install it or name it in CHROMIUM", file=sys.stderr)
        return True
    total_s, service_s = asyncio.run(run(chromium))
    print(
        f"sale: {total_s:.1f} s from the first tap to the link in the customer's WhatsApp, "
        f"{service_s:.1f} s of it the service "
        f"(a key each {KEY_S} s, {LOOK_S} s to read each question)"
    )
    return total_s < WITHIN_S


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
