"""What other Klanten APIs show, as this one would store it."""

import pytest

from klanten.transfer.foreign import line_of, regel_content, uuid_of
from klanten.transfer.lines import unknown_fields

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"
REGEL = {
    "uuid": UUID,
    "bron": "Klanten",
    "applicatieId": "balie",
    "applicatieWeergave": "De balie",
    "gebruikersId": "jj",
    "gebruikersWeergave": "J. Jansen",
    "actie": "update",
    "actieWeergave": "Object bijgewerkt",
    "resultaat": 200,
    "hoofdObject": "https://bron.nl/api/v1/klanten/1",
    "resource": "klant",
    "resourceUrl": "https://bron.nl/api/v1/klanten/1",
    "toelichting": "gebeld",
    "resourceWeergave": "517439943 - A1",
    "aanmaakdatum": "2020-01-02T03:04:05Z",
    "wijzigingen": {"oud": None, "nieuw": {"url": "https://bron.nl/1", "achternaam": "Vries"}},
}


@pytest.mark.parametrize(
    "url", [f"https://bron.nl/api/v1/klanten/{UUID}", f"http://x/{UUID.upper()}/", UUID]
)
def test_the_last_part_of_the_url_is_the_uuid(url):
    line = line_of(3, {"url": url, "achternaam": "Vries"})
    assert (line.number, uuid_of(line)) == (3, UUID)
    assert line.value == {"uuid": UUID, "achternaam": "Vries"}


@pytest.mark.parametrize("item", [{}, {"url": "https://bron.nl/klanten/12"}, {"url": None}, None])
def test_without_a_uuid_there_is_none(item):
    assert uuid_of(line_of(1, item)) == ""


def test_fields_beyond_the_standard_are_named():
    klant = {
        "url": UUID,
        "aanmaakkanaal": "balie",
        "adres": {"postcode": "1234AB", "gemeente": "Juinen"},
        "subjectType": "vestiging",
        "subjectIdentificatie": {"handelsnaam": [], "kvkNummer": "12345678"},
    }
    assert unknown_fields(line_of(1, klant)) == {
        "aanmaakkanaal",
        "adres.gemeente",
        "subjectIdentificatie.kvkNummer",
    }


@pytest.mark.parametrize("kind", [None, "", "iets", ["vestiging"]])
def test_the_identification_of_a_klant_without_a_type_is_not_looked_into(kind):
    klant = {"url": UUID, "subjectType": kind, "subjectIdentificatie": {"x": 1}}
    assert unknown_fields(line_of(1, klant)) == set()


def test_a_line_of_an_audittrail_keeps_what_it_says_but_for_urls():
    assert regel_content(REGEL) == {
        "uuid": UUID,
        "bron": "kc",
        "applicatieId": "balie",
        "applicatieWeergave": "De balie",
        "gebruikersId": "jj",
        "gebruikersWeergave": "J. Jansen",
        "actie": "update",
        "actieWeergave": "Object bijgewerkt",
        "resultaat": 200,
        "toelichting": "gebeld",
        "resourceWeergave": "517439943 - A1",
        "aanmaakdatum": "2020-01-02T03:04:05Z",
        "wijzigingen": {"oud": None, "nieuw": {"achternaam": "Vries"}},
        "logrecordId": "",
    }


def test_what_a_line_of_an_audittrail_lacks_is_empty():
    bare = {name: REGEL[name] for name in ("uuid", "aanmaakdatum", "wijzigingen")}
    content = regel_content(bare)
    assert content["toelichting"] == content["gebruikersId"] == ""
    assert content["resultaat"] == 200


@pytest.mark.parametrize("status", ["200", None, True, 2**64])
def test_a_result_that_is_no_status_counts_as_done(status):
    assert regel_content(REGEL | {"resultaat": status})["resultaat"] == 200


@pytest.mark.parametrize(
    "regel",
    [
        None,
        [],
        REGEL | {"uuid": "x"},
        REGEL | {"aanmaakdatum": None},
        REGEL | {"aanmaakdatum": "gisteren"},
        REGEL | {"wijzigingen": []},
        REGEL | {"wijzigingen": {}},
        REGEL | {"wijzigingen": {"oud": {"achternaam": "Vries"}, "nieuw": None}},
        REGEL | {"wijzigingen": {"oud": None, "nieuw": {"achternaam": 2**64}}},
    ],
)
def test_what_is_no_line_of_an_audittrail_is_left_out(regel):
    assert regel_content(regel) is None
