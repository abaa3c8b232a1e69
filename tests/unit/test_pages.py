"""The parts that pages are made of."""

from klanten.pages.policy import READING, drawing, headers
from klanten.pages.rendering import marked


def test_words_between_backticks_become_code():
    text = "Het veld `adres` of `adres.postcode`."
    html = "Het veld <code>adres</code> of <code>adres.postcode</code>."
    assert marked(text) == html


def test_marked_text_is_no_html_of_its_own():
    assert marked("`<b>` & <i>") == "<code>&lt;b&gt;</code> &amp; &lt;i&gt;"


def test_single_backtick_is_left_alone():
    assert marked("een ` alleen") == "een ` alleen"


def test_policy_is_one_header():
    found = headers({"default-src": "'none'", "img-src": "'self' data:"})
    assert found["Content-Security-Policy"] == "default-src 'none'; img-src 'self' data:"


def test_what_one_page_may_draw_does_not_stay_for_others():
    assert "'nonce-abc'" in drawing("abc")["style-src"]
    assert READING["style-src"] == "'self'"
    assert "'nonce-abc'" not in drawing("def")["style-src"]
