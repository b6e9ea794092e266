"""Requests made from `/v1/openapi.json`, good ones and bad ones: what it says is what happens.

The application is called in this process, over a file. schemathesis makes the requests, one by
one and in stories; whatever it finds wrong fails the run.
"""

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import schemathesis
from schemathesis.engine import from_schema
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder

from bot.app import Role
from bot.sandbox.app import Sandbox
from tests.crash.fuzz import Asgi, asgi_of, start_for
from tests.crash.report import Report
from tests.flow.service import TOKEN

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
EXCUSED = {
    "in header - object with unexpected properties": "HTTP has unknown headers ignored",
}
"""What a wrong finding says, and why it is none."""

_BEARER = {"authorization": f"Bearer {TOKEN}"}


@dataclass(slots=True)
class Seen:
    """What came back, and what was wrong with it, each kind of it once."""

    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    operations: set[str] = field(default_factory=set)
    findings: dict[str, str] = field(default_factory=dict)

    def note(self, event: EngineEvent) -> None:
        """Take in one thing that happened."""
        match event:
            case ScenarioFinished():
                self.phases[event.phase.value] += len(event.recorder.interactions)
                self._note_answers(event.recorder)
                self.findings |= _findings(event.recorder)
            case NonFatalError():
                self.findings[event.label] = f"{event.label}: {event.value}"
            case FatalError():
                self.findings["fatal"] = repr(event.exception)

    def _note_answers(self, recorder: ScenarioRecorder) -> None:
        for case_id, each in recorder.interactions.items():
            status = 0 if each.response is None else each.response.status_code
            label = recorder.cases[case_id].value.operation.label
            self.statuses[status] += 1
            self.operations.add(label)
            if 200 <= status < 300:
                self.taken.add(label)


def _findings(recorder: ScenarioRecorder) -> dict[str, str]:
    found = {}
    for case_id, checks in recorder.checks.items():
        label = recorder.cases[case_id].value.operation.label
        for each in checks:
            if each.failure_info is not None:
                failure, sample = each.failure_info.failure, each.failure_info.code_sample
                said = f"{label}: {failure.title}: {failure.message} {sample}"
                if any(words in said for words in EXCUSED):
                    continue
                found[f"{label} {each.name} {failure.title}"] = said[:900]
    return found


async def described(*, examples: int, seed: int) -> Report:
    """Make `examples` requests of chance for each operation, besides those of a fixed plan."""
    report, seen = Report("schema", {"seed": seed, "examples": examples}), Seen()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paybot-schema-") as folder:
        door = await start_for(Sandbox(), Path(folder), {Role.WEB})
        try:
            await asyncio.to_thread(_ask_all, asgi_of(door), _config(examples, seed), seen)
        finally:
            await door.stop()
    report.figures |= {"secs": time.monotonic() - began, "requests": seen.statuses.total()}
    _tell(report, seen)
    return report


def _config(examples: int, seed: int) -> schemathesis.Config:
    return schemathesis.Config.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "headers": _BEARER,
            "generation": {"mode": "all", "max-examples": examples, "database": "none"},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "suppress-health-check": ["all"],
        }
    )


def _ask_all(app: Asgi, config: schemathesis.Config, seen: Seen) -> None:
    url = "/v1/openapi.json"
    schema = schemathesis.openapi.from_asgi(url, app, config=config, headers=_BEARER)
    for event in from_schema(schema).execute():
        seen.note(event)


def _tell(report: Report, seen: Seen) -> None:
    for hundreds in (2, 3, 4, 5):
        answered = sum(n for status, n in seen.statuses.items() if status // 100 == hundreds)
        report.figures[f"{hundreds}xx"] = answered
    report.figures |= {f"in_{name}": number for name, number in seen.phases.items() if number}
    report.figures["taken"] = f"{len(seen.taken)}/{len(seen.operations)}"
    report.none_of("findings", list(seen.findings.values()))
    report.must_bite(seen.operations, "operations")
    for wanted in ("POST /payments", "POST /schedules", "GET /payments"):
        report.must_bite(wanted in seen.taken, f"{wanted} was never taken")
    report.must_bite(seen.statuses[422], "bad data that was refused")
