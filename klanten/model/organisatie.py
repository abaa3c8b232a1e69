"""The klanten of one bronorganisatie, by klantnummer: the container that owns them."""

import secrets
from collections.abc import Mapping

from .errors import KlantnummerInUse
from .klant import Klant
from .sharded import Sharded

# no 0, O, 1 and I: a klantnummer is read aloud
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8


class Organisatie(Sharded[Klant]):
    """klantnummer -> Klant. Uniqueness (kla-001) is decided here and nowhere else.

    Two writers of one klantnummer meet in the same bucket of the tree: one of them gets a
    conflict, is tried again, and then sees the number of the other.
    """

    def __init__(self) -> None:
        super().__init__(16)

    def add(self, klantnummer: str, klant: Klant) -> None:
        """Take in a klant. Raises `KlantnummerInUse`."""
        self.refuse_used(klantnummer)
        self[klantnummer] = klant

    def update(self, klanten: Mapping[str, Klant]) -> None:
        """Take in many klanten. Raises `KlantnummerInUse`."""
        for klantnummer in self.in_order(klanten):
            self.add(klantnummer, klanten[klantnummer])

    def refuse_used(self, klantnummer: str) -> None:
        """Raises `KlantnummerInUse` when there is a klant of this number."""
        if klantnummer in self:
            raise KlantnummerInUse(klantnummer)

    def free_klantnummer(self) -> str:
        """A klantnummer that nobody has yet.

        Random and not counted: a stored counter would be changed by every writer at once.
        """
        while True:
            number = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
            if number not in self:
                return number
