"""Packed JSON."""

import zlib

import orjson
from persistent import Persistent

from klanten.model.klant import Klant, new_body
from klanten.model.packing import pack, unpack
from tests.factories import make_person


def test_what_was_packed_comes_back():
    for text in (b"{}", b"", orjson.dumps(make_person()), bytes(range(256)) * 300):
        assert unpack(pack(text)) == text


def test_a_klant_packs_into_less_than_half():
    text = orjson.dumps(new_body(make_person()))
    assert len(pack(text)) < len(text) / 2


def test_what_was_stored_without_the_dictionary_can_be_read():
    assert unpack(zlib.compress(b'{"bron":"kc"}', 1)) == b'{"bron":"kc"}'
    assert unpack(b'{"bron":"kc"}') == b'{"bron":"kc"}'


def test_the_dictionary_is_the_one_that_stored_klanten_were_packed_with():
    stored = bytes.fromhex("78bb772a6f42c396bf4c0dcd4d8c2d2d4d8c956a01b17d09df")
    assert unpack(stored) == b'{"bronorganisatie":"517439943"}'


def test_a_klant_is_stored_packed_and_served_from_plain_bytes():
    klant = Klant("2c9e0a57-3f5d-4d38-9d0b-6fd3c0c6e1b4", new_body(make_person()))
    state = klant.__getstate__()
    assert state["json"] == pack(klant.json)
    loaded = Klant.__new__(Klant)
    loaded.__setstate__(state)
    assert vars(loaded) == vars(klant)
    assert isinstance(loaded, Persistent)
