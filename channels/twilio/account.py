"""Who we are at Twilio."""

from base64 import b64encode
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """One account and the tokens that prove its requests to us.

    The first token signs our calls too; more than one is for the time of a rotation.
    """

    account_sid: str
    auth_tokens: tuple[str, ...] = field(repr=False)
    base_url: str = "https://api.twilio.com"

    def __post_init__(self) -> None:
        if not self.account_sid:
            raise ValueError("a Twilio account has a SID")
        if not self.auth_tokens or not all(self.auth_tokens):
            raise ValueError("a Twilio account needs its auth token")

    @property
    def authorization(self) -> str:
        """The header that our calls carry."""
        pair = f"{self.account_sid}:{self.auth_tokens[0]}"
        return "Basic " + b64encode(pair.encode()).decode("ascii")
