"""The rights a consumer can have: one scope for each kind of use, named as in the OAS."""

from enum import StrEnum


class Scope(StrEnum):
    """A right, under the name that the Autorisaties API knows it by."""

    LEZEN = "klanten.lezen"
    AANMAKEN = "klanten.aanmaken"
    BIJWERKEN = "klanten.bijwerken"
    VERWIJDEREN = "klanten.verwijderen"
    AUDITTRAILS_LEZEN = "audittrails.lezen"

    @property
    def explanation(self) -> str:
        """What the scope allows, in Dutch, for pages and the OAS document."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Scope.LEZEN: "Klanten opvragen: de lijst doorzoeken en een enkele klant inzien.",
    Scope.AANMAKEN: "Nieuwe klanten vastleggen.",
    Scope.BIJWERKEN: "Gegevens van een klant wijzigen, geheel of gedeeltelijk.",
    Scope.VERWIJDEREN: "Een klant met zijn audittrail verwijderen.",
    Scope.AUDITTRAILS_LEZEN: "Inzien wie wanneer wat aan een klant heeft gewijzigd.",
}
