"""The kanalen on which this API tells others what happened, and what a subscriber can filter on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kenmerk:
    """Something that every message on a kanaal tells, for subscribers to choose by.

    It is registered as `name`, in snake_case; in a message it is written in camelCase.
    """

    name: str
    explanation: str

    @property
    def key(self) -> str:
        """The name as it is written in a message."""
        first, *rest = self.name.split("_")
        return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True)
class Kanaal:
    """A kanaal of the Notificaties API; `resources` are what its messages can be about."""

    name: str
    explanation: str
    resources: tuple[str, ...]
    kenmerken: tuple[Kenmerk, ...]


SUBJECT_TYPE = Kenmerk(
    "subject_type",
    "De soort klant: `natuurlijk_persoon`, `niet_natuurlijk_persoon` of `vestiging`; leeg als de "
    "soort niet bekend is.",
)
KLANTEN = Kanaal(
    "klanten",
    "Op dit kanaal staat elke klant die is vastgelegd, gewijzigd of verwijderd. Een bericht noemt "
    "alleen de URL van de klant en zijn soort; wie meer wil weten vraagt de klant op.",
    ("klant",),
    (SUBJECT_TYPE,),
)
KANALEN = (KLANTEN,)
