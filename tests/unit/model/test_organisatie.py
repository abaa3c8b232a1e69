"""The klanten of one bronorganisatie, each under a number of its own."""

import pytest

from klanten.model.errors import KlantnummerInUse
from klanten.model.klant import Klant
from klanten.model.organisatie import ALPHABET, Organisatie


@pytest.fixture
def klant() -> Klant:
    return Klant("1", {})


def test_a_klant_is_found_under_its_number(klant):
    organisatie = Organisatie()
    organisatie.add("K1", klant)
    assert organisatie["K1"] is klant


def test_a_number_is_taken_once(klant):
    organisatie = Organisatie()
    organisatie.add("K1", klant)
    with pytest.raises(KlantnummerInUse):
        organisatie.add("K1", Klant("2", {}))
    with pytest.raises(KlantnummerInUse):
        organisatie.refuse_used("K1")
    assert organisatie["K1"] is klant


def test_a_number_is_free_when_its_klant_is_gone(klant):
    organisatie = Organisatie()
    organisatie.add("K1", klant)
    del organisatie["K1"]
    organisatie.add("K1", Klant("2", {}))


def test_many_klanten_are_taken_in_at_once_or_refused(klant):
    organisatie = Organisatie()
    organisatie.update({"K1": klant, "K2": Klant("2", {})})
    assert sorted(organisatie) == ["K1", "K2"]
    with pytest.raises(KlantnummerInUse):
        organisatie.update({"K2": klant})


def test_a_free_number_can_be_read_aloud_and_is_not_taken():
    organisatie = Organisatie()
    for _ in range(200):
        number = organisatie.free_klantnummer()
        assert len(number) == 8
        assert set(number) <= set(ALPHABET)
        organisatie.add(number, Klant(number, {}))


def test_a_number_that_is_taken_is_not_given_out(monkeypatch, klant):
    organisatie = Organisatie()
    drawn = iter(8 * "A" + 8 * "B")
    monkeypatch.setattr("klanten.model.organisatie.secrets.choice", lambda _: next(drawn))
    organisatie.add("AAAAAAAA", klant)
    assert organisatie.free_klantnummer() == "BBBBBBBB"
