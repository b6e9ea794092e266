"""What talking to Migo needs to know, checked once and never read from the environment here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from bot.domain.money import is_currency
from bot.migo.amounts import AmountUnit
from bot.migo.links import is_loopback


class Environment(StrEnum):
    """Whose money moves."""

    SANDBOX = "sandbox"
    """Migo's sandbox: nobody's."""
    PRODUCTION = "production"
    """Migo's production: the customer's."""
    LOCAL = "local"
    """Any other host, as our own emulator on loopback."""


class UserIdForm(StrEnum):
    """How a phone is written into `userId`, which Migo stores verbatim."""

    PLUS = "plus"
    """+50255551234"""
    DIGITS = "digits"
    """50255551234"""


_ENVIRONMENTS = {
    "sb-mw.migopayments.com": Environment.SANDBOX,
    "mw.migopayments.com": Environment.PRODUCTION,
}
_LINK_HOSTS = {
    "sandbox.migopayments.com": Environment.SANDBOX,
    "web.migopayments.com": Environment.PRODUCTION,
}
_SANDBOX_CLIENT = "migoDeveloper"


@dataclass(frozen=True, slots=True)
class MigoConfig:
    """One merchant's account at Migo.

    Args:
        base_url: without path of ours, as "https://sb-mw.migopayments.com"; http on loopback only.
        client: the merchant's slug.
        amount_unit: how amounts are written; there is no safe default.
        currencies: enabled for this client; Migo silently charges another one for any other.
        channels: our channel names to Migo's `channel` values.
        link_hosts: hosts a link may have, `host` or `host:port`.
        token: for `POST /transactions`; goes raw into `Authorization`.
        public_key: with `private_key`, for `POST /transactions-hook`, if there is no token.
        private_key: see `public_key`.
        user_id: how a phone becomes `userId`.
        timeout_s: for a whole create. Above 30 s, when managed gateways give up and say so.

    Raises:
        ValueError: no credentials, no https, an unknown currency, or sandbox and production mixed.

    Source: Migo docs, "Create a Payment Link", "Environments", "Sandbox cheat sheet".
    """

    base_url: str
    client: str
    amount_unit: AmountUnit
    currencies: Collection[str]
    channels: Mapping[str, str]
    link_hosts: Collection[str]
    token: str | None = field(default=None, repr=False)
    public_key: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    user_id: UserIdForm = UserIdForm.PLUS
    timeout_s: float = 35.0

    def __post_init__(self) -> None:
        problems = [problem for problem in self._problems() if problem]
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def environment(self) -> Environment:
        """Which of Migo's environments `base_url` is."""
        return _ENVIRONMENTS.get(urlsplit(self.base_url).hostname or "", Environment.LOCAL)

    @property
    def own_link_hosts(self) -> frozenset[str]:
        """`link_hosts` without the hosted page of the other environment.

        A sandbox link sent by a production service would be "paid" with nobody's money.
        """
        own = self.environment
        # An emulator or a relay of the merchant may stand before either environment.
        if own is Environment.LOCAL:
            return frozenset(self.link_hosts)
        return frozenset(host for host in self.link_hosts if _LINK_HOSTS.get(host, own) is own)

    def _problems(self) -> tuple[str | None, ...]:
        parts = urlsplit(self.base_url)
        is_safe = parts.scheme == "https" or is_loopback(parts.hostname or "")
        has_keys = bool(self.public_key and self.private_key)
        is_crossed = self.environment is Environment.PRODUCTION and self.client == _SANDBOX_CLIENT
        return (
            None if parts.scheme in {"http", "https"} and is_safe else "base_url must be https",
            None if self.client.strip() else "client is empty",
            None if self.token or has_keys else "a token or a key pair is needed",
            None if _is_header(self.token) else "the token cannot be a header",
            None if self.currencies else "currencies is empty",
            None if all(map(is_currency, self.currencies)) else "currencies has an unknown code",
            None if self.own_link_hosts else "no link host belongs to this environment",
            f"{_SANDBOX_CLIENT} is Migo's public sandbox client" if is_crossed else None,
        )


def _is_header(token: str | None) -> bool:
    return token is None or (token.isascii() and token.isprintable() and " " not in token)
