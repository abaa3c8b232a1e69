"""What may be wrong with what a consumer sent, and how that is said."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Fault:
    """A rule that was broken: an item of `invalidParams`.

    `name` is the path of the field as it is in the JSON (`adres.huisnummer`) or the name of the
    query parameter; what concerns no single field is on `nonFieldErrors`.
    """

    name: str
    code: str
    reason: str


class ValidationFailed(Exception):
    """What a consumer sent breaks one or more rules."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__(", ".join(f"{fault.name}: {fault.code}" for fault in self.faults))


NON_FIELD_ERRORS = "nonFieldErrors"


class Rule(Enum):
    """The rules, with the code that consumers see and the reason in words."""

    REQUIRED = "required", "Dit veld ontbreekt."
    NOT_NULL = "null", "De waarde null is hier niet toegestaan."
    NOT_BLANK = "blank", "Dit veld moet zijn ingevuld."
    NO_NUL = "null_characters_not_allowed", "Het teken met code 0 is niet toegestaan."
    MAX_LENGTH = "max_length", "Er zijn hoogstens {limit} tekens toegestaan."
    TEXT = "invalid", "Hier wordt een tekst verwacht."
    URL = "invalid", "Dit is geen volledige URL."
    MAIL_ADDRESS = "invalid", "Dit is geen e-mailadres."
    UTF8 = "invalid", "Deze waarde is niet in UTF-8 geschreven."
    ONLY_DIGITS = "only-digits", "Er zijn alleen cijfers toegestaan."
    NINE_DIGITS = "invalid-length", "Er moeten precies 9 cijfers staan."
    ELEVEN_TEST = "invalid", "Dit nummer voldoet niet aan de elfproef."
    A_NUMMER = (
        "a-nummer-incorrect-format",
        "Dit moeten 10 cijfers zijn, zonder 0 vooraan.",
    )
    CHOICE = "invalid_choice", "Kies een van deze waarden: {limit}."
    INTEGER = "invalid", "Hier wordt een geheel getal verwacht."
    MIN_VALUE = "min_value", "Het getal moet minstens {limit} zijn."
    MAX_VALUE = "max_value", "Het getal mag hoogstens {limit} zijn."
    MAX_STRING_LENGTH = "max_string_length", "Een getal mag in hoogstens {limit} tekens staan."
    LIST = "not_a_list", "Hier wordt een lijst verwacht."
    OBJECT = "invalid", "Hier wordt een object verwacht."
    FETCHABLE = "bad-url", "Alleen een http- of https-URL is op te halen."
    FOUND = "bad-url", "Op deze URL is niets te vinden."
    UNCHANGED = "wijzigen-niet-toegelaten", "Deze waarde ligt vast sinds het aanmaken."
    UNIQUE = "unique", "Een andere klant van deze bronorganisatie heeft dit klantnummer al."
    SUBJECT_GIVEN = "invalid-subject", "Geef een subject of een subjectIdentificatie op."

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason

    def broken_at(self, name: str, limit: object = None) -> Fault:
        """The fault of breaking this rule in the field `name`."""
        return Fault(name, self.code, self.reason.format(limit=limit))
