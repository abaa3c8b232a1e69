"""What may come in as the query of the list."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from klanten.model.fields import FILTERS
from klanten.schemas.faults import ValidationFailed
from klanten.schemas.query import read_query

LIST = "http://example.com/api/v1/klanten"
NAMES = [found.name for found in FILTERS]
PLAIN = [name for name in NAMES if name not in ("bronorganisatie", "subject", "subjectType")]
RIGHT = dict.fromkeys(PLAIN, "x") | {
    "bronorganisatie": "111222333",
    "subject": "http://example.com/x",
    "subjectType": "vestiging",
}


def filters(query_string):
    return dict(read_query(query_string).filters)


def faults(query_string):
    with pytest.raises(ValidationFailed) as failed:
        read_query(query_string)
    return sorted((fault.name, fault.code) for fault in failed.value.faults)


def query_or_none(query_string):
    """The query, if it is right."""
    try:
        return read_query(query_string)
    except ValidationFailed:
        return None


# Filters


def test_without_a_query_there_are_no_filters():
    assert filters("") == {}


def test_all_filters_can_be_used_at_once():
    assert filters(urlencode(RIGHT)) == RIGHT
    assert len(RIGHT) == 19


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_value_is_no_filter(name):
    assert filters(f"{name}=") == {}
    assert filters(name) == {}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "subjectType"])
def test_white_space_around_a_value_is_cut(name):
    assert filters(urlencode({name: f" \u2003{RIGHT[name]}\n"})) == {name: RIGHT[name]}
    assert filters(f"{name}=%20+") == {}


def test_white_space_around_a_type_is_not_cut():
    assert faults("subjectType=+vestiging") == [("subjectType", "invalid_choice")]
    assert faults("subjectType=+") == [("subjectType", "invalid_choice")]


@pytest.mark.parametrize("name", PLAIN)
def test_most_filters_take_any_value(name):
    for value in ("x" * 3000, "null", "é😀", "a&b=c+d%", "12"):
        assert filters(urlencode({name: value})) == {name: value}


@pytest.mark.parametrize(
    "name",
    [
        "kleur",
        "voornaam",
        "adres__huisnummer",
        "adres__woonplaatsnaam",
        "Bronorganisatie",
        "subject_type",
        "subjectNatuurlijkPersoon__inpANummer",
        "",
    ],
)
def test_other_parameters_are_ignored(name):
    assert filters(f"{name}=x%00%ff&klantnummer=1") == {"klantnummer": "1"}


def test_an_unreadable_parameter_name_is_ignored():
    assert filters("%ff=1&\xff=2&klantnummer%ff=3&klantnummer=4") == {"klantnummer": "4"}


def test_of_a_repeated_parameter_the_last_counts():
    assert filters("klantnummer=1&klantnummer=2") == {"klantnummer": "2"}
    assert filters("klantnummer=1&klantnummer=") == {}
    assert filters("klantnummer=%ff&klantnummer=2") == {"klantnummer": "2"}
    assert filters("subjectType=x&subjectType=vestiging") == {"subjectType": "vestiging"}
    assert faults("klantnummer=1&klantnummer=%ff") == [("klantnummer", "invalid")]


def test_names_and_values_are_percent_encoded_or_raw_bytes():
    assert filters("klant%6eummer=%41+%2B") == {"klantnummer": "A +"}
    assert filters("achternaam=" + "Zoë".encode().decode("latin-1")) == {"achternaam": "Zoë"}
    assert filters("achternaam=100%&&functie=%zz") == {"achternaam": "100%", "functie": "%zz"}
    assert filters("achternaam=a;functie=b") == {"achternaam": "a;functie=b"}
    assert filters("achternaam=a=b") == {"achternaam": "a=b"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["%ff", "a%C3", "%ED%A0%80", "%C0%80", "\xff"])
def test_a_value_that_is_not_utf8_is_invalid(name, value):
    assert faults(f"{name}={value}") == [(name, "invalid")]


@pytest.mark.parametrize("name", PLAIN)
def test_a_value_with_nul_is_refused(name):
    assert faults(f"{name}=a%00") == [(name, "null_characters_not_allowed")]


def test_nul_is_reported_beside_what_else_is_wrong():
    assert faults("bronorganisatie=%00") == [
        ("bronorganisatie", "null_characters_not_allowed"),
        ("bronorganisatie", "only-digits"),
    ]
    assert faults("subject=%00") == [
        ("subject", "invalid"),
        ("subject", "null_characters_not_allowed"),
    ]
    assert faults("subject=http://example.com/%00") == [("subject", "null_characters_not_allowed")]
    assert faults("subjectType=%00") == [("subjectType", "invalid_choice")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("123", "invalid-length"),
        ("1234567890", "invalid-length"),
        ("1" * 3000, "invalid-length"),
        ("abcdefghi", "only-digits"),
        ("111.222.333", "only-digits"),
        ("%EF%BC%91", "only-digits"),
        ("111222323", "invalid"),
    ],
)
def test_an_organisation_must_be_a_right_rsin(value, code):
    assert faults(f"bronorganisatie={value}") == [("bronorganisatie", code)]


@pytest.mark.parametrize("value", ["000000000", "111222333"])
def test_a_right_rsin_is_taken(value):
    assert filters(f"bronorganisatie={value}") == {"bronorganisatie": value}


@pytest.mark.parametrize("value", ["abc", "javascript:x", "http://x", "http://example.com/ x"])
def test_a_subject_must_look_like_a_url(value):
    assert faults(urlencode({"subject": value})) == [("subject", "invalid")]


@pytest.mark.parametrize(
    "value", ["ftp://example.com/x", "http://localhost:8000", "http://example.com/" + "a" * 2000]
)
def test_a_subject_may_be_any_url_of_any_length(value):
    assert filters(urlencode({"subject": value})) == {"subject": value}


@pytest.mark.parametrize("value", ["persoon", "VESTIGING", "null", "vestiging,vestiging"])
def test_a_type_must_be_a_value_of_the_list(value):
    assert faults(f"subjectType={value}") == [("subjectType", "invalid_choice")]


def test_every_fault_of_every_filter_is_reported_at_once():
    query = (
        "page=x&subjectType=x&bronorganisatie=1&subject=y&functie=%ff&achternaam=%00&klantnummer=1"
    )
    assert faults(query) == [
        ("achternaam", "null_characters_not_allowed"),
        ("bronorganisatie", "invalid-length"),
        ("functie", "invalid"),
        ("subject", "invalid"),
        ("subjectType", "invalid_choice"),
    ]


# Pages


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", 1),
        ("page=1", 1),
        ("page=2", 2),
        ("page=999999", 999999),
        ("page=999999999999999", 999999999999999),
        ("p%61ge=3", 3),
        ("page=x&page=4", 4),
        ("pageSize=5", 1),
        ("Page=2", 1),
    ],
)
def test_a_page_is_a_number_from_1(query, page):
    assert read_query(query).page == page


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "00",
        "-1",
        "abc",
        "1.0",
        "1e3",
        "1_0",
        "%D9%A3",
        "%EF%BC%91",
        "%ff",
        "%00",
        "9" * 16,
    ],
)
def test_any_other_page_is_not_there(value):
    assert read_query(f"page={value}").page is None
    assert read_query(f"page=2&page={value}").page is None


def test_a_page_without_a_value_is_not_there():
    assert read_query("page").page is None


# Links


@pytest.mark.parametrize(
    ("query", "number", "link"),
    [
        ("", 2, "?page=2"),
        ("", 1, ""),
        ("page=2", 3, "?page=3"),
        ("page=2", 1, ""),
        ("page=2&page=3", 4, "?page=4"),
        ("bronorganisatie=111222333", 2, "?bronorganisatie=111222333&page=2"),
        (
            "subjectType=vestiging&page=2&bronorganisatie=111222333",
            3,
            "?bronorganisatie=111222333&page=3&subjectType=vestiging",
        ),
        (
            "subjectType=vestiging&page=2&bronorganisatie=111222333",
            1,
            "?bronorganisatie=111222333&subjectType=vestiging",
        ),
        ("pageSize=5&ordering=x", 2, "?ordering=x&page=2&pageSize=5"),
        ("b=2&a=3&b=1&a=4", 2, "?a=3&a=4&b=2&b=1&page=2"),
        ("kleur&leeg=", 2, "?kleur=&leeg=&page=2"),
        ("%ff=%fe&klantnummer=%C3%AB", 2, "?klantnummer=%C3%AB&page=2&%FF=%FE"),
        ("a=\xff\xc3\xab", 2, "?a=%FF%C3%AB&page=2"),
        ("a=+%2B%20%26%3D%23<>", 2, "?a=+%2B+%26%3D%23%3C%3E&page=2"),
        ("&&a=1&&", 2, "?a=1&page=2"),
    ],
)
def test_a_link_keeps_the_parameters_sorted_by_name(query, number, link):
    assert read_query(query).page_link(LIST, number) == LIST + link


query_strings = st.lists(
    st.tuples(st.sampled_from(["page", "kleur", "klantnummer"]) | st.binary(), st.binary())
).map(lambda pairs: "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs))
wild_strings = st.text(st.characters(max_codepoint=255))


@given(query_strings | wild_strings)
def test_any_query_is_either_read_or_refused(query_string):
    query = query_or_none(query_string)
    assert query is None or query.filters.keys() <= set(NAMES)
    assert query is None or query.page is None or query.page >= 1


@given(query_strings, st.integers(1, 10**6))
def test_a_link_leads_to_that_page_of_the_same_query(query_string, number):
    query = query_or_none(query_string)
    assume(query)
    link = query.page_link(LIST, number)
    following = read_query(urlsplit(link).query)
    assert link.isascii()
    assert following.page == number
    assert following.filters == query.filters
    assert following.page_link(LIST, number) == link
    assert sorted(_others(link)) == sorted(_others(f"?{query_string}"))


def _others(url):
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, encoding="latin-1")
    return [(name, value) for name, value in pairs if name != "page"]
