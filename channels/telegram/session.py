"""aiogram's wire over our own HTTP client. Imports aiogram, as only `api.py` beside it does."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import TelegramMethod
from aiogram.methods.base import TelegramType

from channels.errors import ChannelError, NotSentError, UncertainError
from channels.outcome import MAX_RETRY_AFTER_S, HttpClient, error_for, exchange, read_capped

_TIMEOUT_S: Final = 30.0


class Session(BaseSession):
    """aiogram's wire over our client: no redirects, capped answers, errors that say how far.

    aiogram's own session follows redirects, reads without end, and its network error does not tell
    a refused connection from a lost answer.
    """

    def __init__(self, http: HttpClient, api: TelegramAPIServer) -> None:
        super().__init__(api=api, timeout=_TIMEOUT_S)
        self._http = http

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram names it
    ) -> TelegramType:
        """Do one exchange.

        Raises:
            NotSentError, UncertainError: the wire or the answer broke.
            RejectedError: something refused it that is not the Bot API.
            exceptions.TelegramAPIError: the Bot API refused it.
        """
        fields, files = self._form(bot, method)
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        try:
            async with asyncio.timeout(timeout or self.timeout):
                with exchange():
                    async with self._http.stream(
                        "POST", url, data=fields, files=files or None
                    ) as response:
                        content = (await read_capped(response)).decode("utf-8", "replace")
        except TimeoutError:
            raise UncertainError("Telegram did not answer in time") from None
        if response.status_code == 429 or not _is_object(content):
            raise _outside_error(response.status_code, response.headers, content)
        answer = self.check_response(bot, method, response.status_code, content)
        if answer.result is None:
            raise UncertainError("Telegram said yes and no more")
        return answer.result

    def _form(
        self, bot: Bot, method: TelegramMethod[TelegramType]
    ) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
        attached: dict[str, Any] = {}
        fields = {
            name: prepared
            for name, value in method.model_dump(warnings=False).items()
            if (prepared := self.prepare_value(value, bot=bot, files=attached))
        }
        return fields, {key: (file.filename, file.data) for key, file in attached.items()}

    async def close(self) -> None:
        """Leave the client to its owner."""

    def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,
    ) -> AsyncGenerator[bytes, None]:
        """Refuse: files are not fetched."""
        raise NotImplementedError


def _is_object(content: str) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _outside_error(status: int, headers: Mapping[str, str], content: str) -> ChannelError:
    """The end of an answer that aiogram would misread: 429, and what is no JSON object."""
    error = error_for(status, headers) or UncertainError("Telegram's answer cannot be read")
    if isinstance(error, NotSentError) and _is_object(content):
        parameters = json.loads(content).get("parameters")
        wait_s = parameters.get("retry_after") if isinstance(parameters, dict) else None
        if isinstance(wait_s, int | float) and wait_s >= 0:
            error.retry_after_s = min(float(wait_s), MAX_RETRY_AFTER_S)
    return error
