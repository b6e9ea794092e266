"""Rates as whole numbers of sends in whole numbers of seconds, spent in one atomic step."""

from fractions import Fraction

from limits import RateLimitItemPerSecond
from limits.aio.storage import Storage


def window(rate_per_s: float) -> RateLimitItemPerSecond:
    """A whole number of sends in a whole number of seconds, at most a minute."""
    rate = max(Fraction(rate_per_s).limit_denominator(60), Fraction(1, 60))
    return RateLimitItemPerSecond(rate.numerator, rate.denominator)


async def grant(storage: Storage, item: RateLimitItemPerSecond, key: str, wanted: int) -> int:
    """Spend up to `wanted` of the window in one atomic step, and tell how many it had."""
    if wanted <= 0:
        return 0
    spent = await storage.incr(item.key_for(key), item.get_expiry(), wanted)
    granted = max(0, min(wanted, item.amount - (spent - wanted)))
    await give_back(storage, item, key, wanted - granted)
    return granted


async def give_back(storage: Storage, item: RateLimitItemPerSecond, key: str, unused: int) -> None:
    """Undo part of a grant; when its window is over, the next one has that much more."""
    if unused > 0:
        await storage.incr(item.key_for(key), item.get_expiry(), -unused)
