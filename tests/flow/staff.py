"""Members of staff in the sandbox: let in over `/v1`, writing from Telegram or WhatsApp."""

from typing import Any

from bot.sandbox.people import Person
from tests.flow.dialog import WITHIN_S, Chat, new_person
from tests.flow.service import Service
from tests.services import eventually

PIN = "4826"


class Seller(Chat):
    """A member of staff and their chat; `id` is their number at `/v1/staff`."""

    id: int
    role: str

    def __init__(self, service: Service, channel: str, role: str, person: Person) -> None:
        super().__init__(service, channel, person)
        self.service = service
        self.role = role

    async def __aenter__(self) -> "Seller":
        await self.joins(self.role)
        return self

    async def joins(self, role: str) -> None:
        """Come in by an invitation; on WhatsApp choose a PIN."""
        token = (await invited(self.service, role, self.person.name))["token"]
        if self.channel == "telegram":
            self.service.sandbox.telegram.start(self.person.telegram_id, token)
            await self.sees(self.person.name)
        else:
            await self.says(f"/start {token}")
            await self.sees(self.person.name)
            await self.sees("PIN")
            await self.says(PIN)
            await self.sees("PIN guardado")
        found = (await self.service.http.get("/v1/staff")).json()["staff"]
        self.id = found[-1]["id"]

    async def proves(self) -> None:
        """Show the PIN, where that is asked for."""
        if self.channel == "whatsapp":
            await self.sees("PIN")
            await self.says(PIN)

    async def charges(self, phone: str, amount: str = "150.00", concept: str = "Libros") -> str:
        """Send a charge with one line and Confirm; give the payment's id."""
        await self.says(f"/cobrar {phone} {amount} {concept}")
        await self.sees("Revise")
        await self.chooses("Confirmar")
        await self.proves()
        await self.rests()
        self._seen = len(self.shown())
        found = (await self.service.http.get("/v1/payments?limit=1")).json()["payments"]
        return str(found[0]["id"])

    async def has(self, *parts: str) -> str:
        """Wait until one message on show, perhaps an edited one, has all these parts."""

        def fitting() -> list[str]:
            return [
                said
                for said in self.shown()
                if all(part.casefold() in said.casefold() for part in parts)
            ]

        await eventually(lambda: bool(fitting()), WITHIN_S)
        return fitting()[-1]


async def invited(service: Service, role: str, name: str | None = None) -> dict[str, Any]:
    """A fresh invitation, as `/v1` gives it."""
    answer = await service.http.post("/v1/staff/invites", json={"role": role, "name": name})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def seller(service: Service, channel: str, role: str = "agent", name: str = "Marta") -> Seller:
    """Somebody new who will join with this role."""
    return Seller(service, channel, role, new_person(service, name))
