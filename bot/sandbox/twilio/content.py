"""Approved templates (Content resources) and the rules of their variables.

The texts are in `content.toml`; `whatsapp_templates.toml` tells the service their ids.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.sandbox.twilio.refusals import TwilioRefusalError

TEMPLATES_FILE: Final = Path(__file__).with_name("whatsapp_templates.toml")
_CONTENT_FILE: Final = Path(__file__).with_name("content.toml")
_VARIABLE: Final = re.compile(r"\{\{(\w{1,16})\}\}")
_BODY_CHARS: Final = 1024
_UNFIT: Final = re.compile(r"[\n\r\t]| {5,}")


@dataclass(frozen=True, slots=True)
class Button:
    """A button as shown: opens `url`, or answers with `payload`."""

    title: str
    url: str = ""
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A template filled in; `error` is the code delivery ends with, 0 for none."""

    body: str
    buttons: tuple[Button, ...] = ()
    error: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """One approved template; `samples` stand in for variables that are not given."""

    sid: str
    body: str
    buttons: tuple[Button, ...]
    samples: Mapping[str, str]

    def fill(self, variables: Mapping[str, str], base_url: str) -> Card:
        """Put the variables in.

        Source: Twilio docs "Using variables with Content API" and errors 63013, 63030.
        """
        # A variable that is not given falls back to its sample instead of failing.
        values = {**self.samples, **variables}

        def put(text: str) -> str:
            text = text.replace("{base}", base_url)
            return _VARIABLE.sub(lambda match: values.get(match[1], ""), text)

        body = put(self.body)
        # Accepted at first: WhatsApp refuses such values later, on the status callback.
        unfit = any(_UNFIT.search(value) for value in variables.values())
        buttons = tuple(
            Button(button.title, put(button.url), button.payload) for button in self.buttons
        )
        return Card(body, buttons, 63013 if unfit or len(body) > _BODY_CHARS else 0)


def load_contents() -> dict[str, Content]:
    """Read the shipped templates by their ContentSid."""
    table = tomllib.loads(_CONTENT_FILE.read_text("utf-8"))
    return {sid: _content(sid, entry) for sid, entry in table.items()}


def _content(sid: str, entry: Mapping[str, object]) -> Content:
    buttons, samples = entry.get("buttons"), entry.get("samples")
    return Content(
        sid,
        str(entry["body"]).strip(),
        tuple(Button(**button) for button in buttons) if isinstance(buttons, list) else (),
        samples if isinstance(samples, dict) else {},
    )


def read_variables(text: str) -> dict[str, str]:
    """Read the `ContentVariables` parameter.

    Raises:
        TwilioRefusalError: 21656, it is not a JSON object of strings.
    """
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise TwilioRefusalError(21656) from error
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise TwilioRefusalError(21656)
    return {str(key): one for key, one in value.items()}
