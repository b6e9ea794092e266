"""Who holds the phones: people known by a phone number, a mailbox and a Telegram id."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


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
        self._numbers = itertools.count(700000501)
        self._people: dict[str, Person] = {}
        for person in people:
            self.add(person)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def add(self, person: Person) -> Person:
        """Take in a person, or replace the one of the same id; gives a Telegram id if none."""
        if not person.telegram_id:
            person = replace(person, telegram_id=next(self._numbers))
        self._people[person.id] = person
        return person

    def get(self, person_id: str) -> Person:
        """Return one person.

        Raises:
            KeyError: nobody has this id.
        """
        return self._people[person_id]

    def by_phone(self, phone: str) -> Person:
        """Find who has `phone` (E.164, or a `whatsapp:` business-scoped id)."""
        for person in self._people.values():
            if person.phone == phone:
                return person
        return self.add(Person(phone, phone, phone=phone))

    def by_email(self, email: str) -> Person:
        """Find who reads `email`; case does not matter."""
        for person in self._people.values():
            if person.email.lower() == email.lower():
                return person
        return self.add(Person(email, email, email=email))

    def by_telegram(self, telegram_id: int) -> Person | None:
        """Find a Telegram user; None if there is no such user."""
        for person in self._people.values():
            if person.telegram_id == telegram_id:
                return person
        return None
