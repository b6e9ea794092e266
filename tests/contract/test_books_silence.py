"""Links without news are listed once a day; that nothing is reported at all is told."""

from bot.domain.payment import Alert, FactStatus
from bot.handlers import silence
from bot.store import ledger
from tests.contract.world import World


async def look(world: World) -> list[Alert]:
    await world.run(lambda tx: silence.list_silent(tx, world.rules))
    await world.run(lambda tx: silence.notice_no_callbacks(tx, world.rules))
    return await world.alerts()


async def test_a_link_without_news_is_on_one_days_list(world: World) -> None:
    silent = await world.linked("u1", route=("email",))
    await world.linked("u2", route=("email",))
    await world.callback("u2", FactStatus.APPROVED)
    world.clock.advance(hours=23)
    assert await look(world) == []
    world.clock.advance(hours=2)
    assert await look(world) == [Alert.SILENT_LINKS]
    assert await look(world) == [Alert.SILENT_LINKS]
    [alert] = await world.run(lambda tx: ledger.open_alerts(tx))
    assert silent.id in alert.detail
    assert "u2" not in alert.detail
    world.clock.advance(days=1)
    assert await look(world) == [Alert.SILENT_LINKS]
    assert await world.select("select count(*) from alert") == [(1,)]


async def test_the_next_list_closes_the_one_before(world: World) -> None:
    await world.linked("u1", route=("email",))
    world.clock.advance(days=1, hours=1)
    await look(world)
    await world.linked("u2", route=("email",))
    world.clock.advance(days=1)
    await look(world)
    assert await world.select("select count(*) from alert where closed_at is null") == [(1,)]
    assert await world.select("select count(*) from alert") == [(2,)]


async def test_links_that_go_out_while_nothing_comes_back_are_told_once(world: World) -> None:
    for number in range(10):
        await world.linked(f"u{number}", route=("email",))
    world.clock.advance(hours=2)
    assert await look(world) == [Alert.NO_CALLBACKS]
    assert await look(world) == [Alert.NO_CALLBACKS]
    await world.callback("u1", FactStatus.DENIED)
    world.clock.advance(hours=1)
    await look(world)
    told = "select count(*) from alert where kind = 'no_callbacks'"
    assert await world.select(told) == [(1,)]


async def test_few_links_without_news_are_no_silence(world: World) -> None:
    for number in range(9):
        await world.linked(f"u{number}", route=("email",))
    world.clock.advance(hours=2)
    assert await look(world) == []
