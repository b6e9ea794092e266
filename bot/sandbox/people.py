"""Who holds the phones: people known by a phone number, a mailbox and a Telegram id."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

STRANGERS_KEPT: Final = 100
"""How many people are made up for unknown addresses; a load test writes to very many."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person; `telegram_id` is at once the user id and the id of the private chat."""

    id: str
    name: str
    phone: str = ""
    email: str = ""
    telegram_id: int = 0


class People:
    """Finds the person behind an address; an unknown address makes a new person."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._numbers = itertools.count(700_000_501)
        self._people: dict[str, Person] = {}
        self._by_address: dict[str, str] = {}
        self._strangers = 0
        for person in people:
            self.add(person)

    def __iter__(self) -> Iterator[Person]:
        return iter(list(self._people.values()))

    def add(self, person: Person) -> Person:
        """Take in a person, or replace the one of the same id; gives a Telegram id if none."""
        if not person.telegram_id:
            person = replace(person, telegram_id=next(self._numbers))
        self._people[person.id] = person
        for address in (person.phone, person.email.lower(), str(person.telegram_id)):
            if address:
                # An old address stays bound: what was sent to it must not meet a stranger.
                self._by_address[address] = person.id
        return person

    def get(self, person_id: str) -> Person:
        """Return one person.

        Raises:
            KeyError: nobody has this id.
        """
        return self._people[person_id]

    def by_phone(self, phone: str) -> Person:
        """Find who has `phone` (E.164, or a WhatsApp business-scoped id)."""
        return self._find(phone) or self._meet(Person(phone, phone, phone=phone))

    def by_email(self, email: str) -> Person:
        """Find who reads `email`; case does not matter."""
        return self._find(email.lower()) or self._meet(Person(email, email, email=email))

    def by_telegram(self, telegram_id: int) -> Person | None:
        """Find a Telegram user; None if there is no such user."""
        return self._find(str(telegram_id))

    def _find(self, address: str) -> Person | None:
        person_id = self._by_address.get(address)
        return None if person_id is None else self._people[person_id]

    def _meet(self, person: Person) -> Person:
        if self._strangers >= STRANGERS_KEPT:
            return person
        self._strangers += 1
        return self.add(person)
