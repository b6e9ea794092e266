"""What `paybot doctor` looks at: each check gives findings, and none changes anything."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bot.cli.findings import Finding, Level, clock
from bot.cli.probes import probe_all
from bot.cli.service import ENV_FILE
from bot.domain.calendars import NeverOpenError, Reminding, Window, pack_of, zone_of
from bot.domain.money import Money
from bot.settings import Settings, near_misses
from channels.base import ChannelName

__all__ = ["Finding", "Level", "check_all", "clock"]

_PROBE_S = 5.0
_KNOWN_MIGO_CHANNELS = frozenset({"wa", "sms", "email", "web", "app"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TEMPLATED = ("link", "receipt", "denied", "refunded", "reversed")


def check_all(settings: Settings) -> Iterator[Finding]:
    """Look at everything, quickest first."""
    yield from _settings()
    yield from _channels(settings)
    yield from _staff(settings)
    yield from _migo(settings)
    yield from _files(settings)
    yield from _templates(settings)
    yield from _reminders(settings)
    yield from _database(settings)
    yield from _redis(settings)
    yield from _public_url(settings)
    yield from probe_all(settings)


def _settings() -> Iterator[Finding]:
    slips = near_misses(os.environ, ENV_FILE)
    for name, meant in slips:
        yield Finding(Level.WARN, "settings", f"{name} is not read; is {meant} meant?")
    if not slips:
        yield Finding(Level.OK, "settings", "all are well formed")


def _channels(settings: Settings) -> Iterator[Finding]:
    off = dict(settings.channels_off())
    for channel in ChannelName:
        if channel in off:
            yield Finding(Level.WARN, channel.value, f"off: {off[channel]}")
        else:
            word = settings.migo.channels[channel]
            yield Finding(Level.OK, channel.value, f"on, at Migo as {word}")
    if len(off) == len(ChannelName):
        yield Finding(Level.FAIL, "channels", "none is on, so that no link can be delivered")
    for name, value in settings.migo.channels.items():
        if value not in _KNOWN_MIGO_CHANNELS:
            known = ", ".join(sorted(_KNOWN_MIGO_CHANNELS))
            text = f"{name}={value}: Migo documents only {known}"
            yield Finding(Level.WARN, "MIGO_CHANNELS", text)


def _staff(settings: Settings) -> Iterator[Finding]:
    """Where news goes that nobody asked for, and customers who ask for a person."""
    target = settings.sending.staff_notify
    if target is None:
        text = "not set: who asks for a person is told to everybody who may talk, alerts to nobody"
        yield Finding(Level.WARN, "STAFF_NOTIFY", text)
        return
    name = target.partition(":")[0]
    off = {channel.value for channel, _ in settings.channels_off()}
    if name in off:
        yield Finding(Level.WARN, "STAFF_NOTIFY", f"{name} is off, so nothing is told there")
    else:
        yield Finding(Level.OK, "STAFF_NOTIFY", f"news for staff goes out over {name}")


def _migo(settings: Settings) -> Iterator[Finding]:
    from bot import wiring

    migo = settings.migo
    try:
        wiring.migo_config(settings)
    except ValueError as error:
        yield Finding(Level.FAIL, "migo", str(error))
        return
    yield Finding(Level.OK, "migo", f"client {migo.client} at {migo.base_url}")
    sample = Money(15000, migo.currencies[0])
    written = str(sample.minor) if migo.amount_unit == "minor" else f"{sample.major():f}"
    yield Finding(
        Level.OK,
        "amounts",
        f"{sample.currency} {sample.major():f} is written as {written} "
        f"(MIGO_AMOUNT_UNIT={migo.amount_unit}); compare it with the page of the first link",
    )
    if migo.dispatches == "unknown":
        text = "a create of unknown end waits for a person; ask Migo, then set yes or no"
        yield Finding(Level.WARN, "MIGO_DISPATCHES", text)


def _files(settings: Settings) -> Iterator[Finding]:
    from bot import wiring
    from bot.texts import Texts

    merchant = settings.merchant
    try:
        Texts(merchant=merchant.name, overrides=merchant.texts_dir, default_locale=merchant.locale)
    except ValueError as error:
        yield Finding(Level.FAIL, "TEXTS_DIR", "; ".join(str(error).splitlines()))
    else:
        own = (
            "the built-in ones"
            if merchant.texts_dir is None
            else f"own ones in {merchant.texts_dir}"
        )
        yield Finding(Level.OK, "texts", f"{own}, all can be used")
    try:
        products = wiring.catalogue(settings)
    except ValueError as error:
        yield Finding(Level.FAIL, "CATALOGUE", "; ".join(str(error).splitlines()))
    else:
        if products:
            yield Finding(Level.OK, "catalogue", f"{len(products)} products")


def _templates(settings: Settings) -> Iterator[Finding]:
    from bot.texts import WhatsAppTemplates
    from bot.texts.locales import LANGUAGES

    if ChannelName.WHATSAPP in dict(settings.channels_off()):
        return
    path = settings.twilio.templates_path
    if path is None:
        text = "none: WhatsApp takes free text only within 24 hours; set WHATSAPP_TEMPLATES"
        yield Finding(Level.WARN, "templates", text)
        return
    try:
        templates = WhatsAppTemplates.load(path)
    except ValueError as error:
        yield Finding(Level.FAIL, "templates", "; ".join(str(error).splitlines()))
        return
    for language in LANGUAGES:
        missing = [name for name in _TEMPLATED if templates.find(name, language) is None]
        if not missing:
            yield Finding(Level.OK, "templates", f"{language}: complete")
        else:
            is_ours = language == settings.merchant.locale
            text = f"{language}: none for {', '.join(missing)}; add them to {path}"
            yield Finding(
                Level.FAIL if is_ours and "link" in missing else Level.WARN, "templates", text
            )


def _reminders(settings: Settings) -> Iterator[Finding]:
    from bot import wiring

    try:
        reminding, plans = wiring.reminding(settings), wiring.plans(settings)
    except ValueError as error:
        yield Finding(Level.FAIL, "reminders", "; ".join(str(error).splitlines()))
        return
    countries, own = len(reminding.packs) - 1, ", ".join(plans) or "none"
    text = f"rules and zones of {countries} countries; own plans: {own}"
    yield Finding(Level.OK, "reminders", text)
    home = settings.merchant.region
    if closed := _never_open(reminding):
        level = Level.FAIL if home in closed else Level.WARN
        text = f"REMINDER_HOURS leave no moment that is allowed in {', '.join(closed)}"
        yield Finding(level, "reminders", text)
    pack = pack_of(reminding.packs, home)
    if pack.has_several_zones and home not in settings.reminders.zones:
        text = f"{home} has several zones and {pack.zone} is taken; is it right? See TIME_ZONES"
        yield Finding(Level.WARN, "reminders", text)
    if not any(hours.opens <= reminding.at < hours.closes for hours in reminding.hours):
        text = "REMINDER_TIME is outside REMINDER_HOURS: all are moved to when these begin"
        yield Finding(Level.WARN, "reminders", text)


def _never_open(reminding: Reminding) -> list[str]:
    """The countries in which no reminder could ever be sent."""
    found = []
    for code, pack in reminding.packs.items():
        zone = zone_of(override=None, region=code, packs=reminding.packs, default="UTC")
        try:
            Window(reminding.hours, pack).next_open(datetime.now(UTC), zone)
        except NeverOpenError:
            found.append(code)
    return found


def _database(settings: Settings) -> Iterator[Finding]:
    from bot.store.engine import StoreBusyError, StoreError, make_engine
    from bot.store.migrate import needs_migration

    path = settings.store.sqlite_path
    if path is not None and not path.exists():
        yield _new_file(path)
        return
    engine = make_engine(settings.store.url.get_secret_value())
    try:
        if needs_migration(engine):
            yield Finding(Level.WARN, "database", "not of this version; run `paybot migrate`")
        else:
            yield Finding(Level.OK, "database", "opens, and is of this version")
    except StoreBusyError:
        yield _asked(settings)
    except StoreError as error:
        yield Finding(Level.FAIL, "database", str(error))
    finally:
        engine.dispose()


def _new_file(path: Path) -> Finding:
    folder = path.parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        return Finding(Level.OK, "database", f"{path} will be made at the first start")
    return Finding(Level.FAIL, "database", f"{folder} is no folder that can be written to")


def _asked(settings: Settings) -> Finding:
    """Ask the process that holds the file how it is."""
    url = f"http://{settings.web.host}:{settings.web.port}/readyz"
    held = "held by a running paybot"
    try:
        answer = httpx.get(url, timeout=_PROBE_S, trust_env=False)
    except httpx.HTTPError as error:
        return Finding(Level.FAIL, "database", f"{held}, but {url} fails: {type(error).__name__}")
    if answer.status_code == 200:
        return Finding(Level.OK, "database", f"{held}, which is ready")
    return Finding(Level.FAIL, "database", f"{held}, which says that it is not ready; see its log")


def _redis(settings: Settings) -> Iterator[Finding]:
    url = settings.coordination.url
    if url is None:
        text = "not set: this process keeps rates by itself, which is right for one process"
        yield Finding(Level.OK, "redis", text)
    elif asyncio.run(_redis_answers(url.get_secret_value(), settings.coordination.prefix)):
        yield Finding(Level.OK, "redis", "answers")
    else:
        text = "does not answer: sending goes on, each process for itself; look at REDIS_URL"
        yield Finding(Level.WARN, "redis", text)


async def _redis_answers(url: str, prefix: str) -> bool:
    from bot.coordination.redis import RedisCoordination

    coordination = RedisCoordination(url, process="doctor", prefix=prefix)
    try:
        await coordination.lease("doctor", "doctor", 1.0)
        return coordination.is_up
    finally:
        await coordination.aclose()


def _public_url(settings: Settings) -> Iterator[Finding]:
    url = settings.web.public_url
    if urlsplit(url).hostname in _LOOPBACK:
        is_sandbox = urlsplit(settings.migo.base_url).hostname in _LOOPBACK
        if is_sandbox:
            yield Finding(Level.OK, "callbacks", f"{url} is this machine, and so is Migo")
        else:
            text = f"{url} is this machine, where no provider reaches it; set PUBLIC_URL"
            yield Finding(Level.FAIL, "callbacks", text)
        return
    if not url.startswith("https://"):
        yield Finding(Level.WARN, "callbacks", f"{url} is not https: secrets travel in the open")
    try:
        answer = httpx.get(f"{url}/healthz", timeout=_PROBE_S, trust_env=False)
    except httpx.HTTPError as error:
        text = f"{url}/healthz fails: {type(error).__name__}; start the service, look at its proxy"
        yield Finding(Level.FAIL, "callbacks", text)
        return
    if answer.status_code == 200:
        yield Finding(Level.OK, "callbacks", f"{url} is reachable from here")
    else:
        text = f"{url}/healthz answers {answer.status_code}; look at its proxy"
        yield Finding(Level.FAIL, "callbacks", text)
    yield from clock(answer.headers.get("date"))
