"""The OAS document states what the published one of the Klanten API 1.0.0 states.

`openapi_facts.json` is the published document without `servers` and human texts. The standard is
frozen, so it does not change. Where the published document itself lies beside the checkout, ours
is held against that as well.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cornice
import orjson
import pytest
import yaml

from klanten.api import SERVICES
from klanten.model.fields import FILTERS
from klanten.openapi import document
from klanten.scopes import Scope

KEPT = Path(__file__).with_name("openapi_facts.json")
PUBLISHED = Path(__file__).parents[3] / "shared" / "standard" / "openapi.yaml"
TEXTS = ("title", "description", "summary")


def facts(part: Any) -> Any:
    """A part of a document without its human texts; a property may have the name of one."""
    if isinstance(part, list):
        return [facts(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        name: facts(value)
        for name, value in part.items()
        if not (name in TEXTS and isinstance(value, str))
    }


def human_texts(part: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Where a human text is in a document, and what it says."""
    members = enumerate(part) if isinstance(part, list) else dict.items(part)
    for name, value in members:
        here = f"{path}/{name}"
        if isinstance(value, dict | list):
            yield from human_texts(value, here)
        elif name in TEXTS:
            yield here, value


def expectations() -> dict[str, Any]:
    found = {"kept": json.loads(KEPT.read_text())}
    if PUBLISHED.exists():
        published = facts(yaml.safe_load(PUBLISHED.read_text()))
        del published["servers"]
        found["published"] = published
    return found


EXPECTED = expectations()


def as_served(services=SERVICES) -> dict[str, Any]:
    return orjson.loads(orjson.dumps(document(services)))


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return as_served()


def service(path: str, method: str, **arguments: Any) -> cornice.Service:
    """A service with one view."""

    def view(request):
        """Doet iets bijzonders."""

    made = cornice.Service(path, path)
    made.add_view(method, view, **arguments)
    return made


# --- the same facts -----------------------------------------------------------------------------


@pytest.mark.parametrize("part", EXPECTED["kept"])
@pytest.mark.parametrize("source", EXPECTED)
def test_document_states_the_published_facts(ours, source, part):
    assert facts(ours)[part] == EXPECTED[source][part]


@pytest.mark.parametrize("source", EXPECTED)
def test_document_has_no_part_of_its_own(ours, source):
    assert set(ours) == set(EXPECTED[source])


def test_property_that_is_called_title_is_a_fact(ours):
    assert "title" in facts(ours)["components"]["schemas"]["Fout"]["properties"]


def test_path_items_hold_only_operations_and_parameters(ours):
    names = {name for item in ours["paths"].values() for name in item}
    assert names == {"get", "post", "put", "patch", "delete", "parameters"}


# --- our own words ------------------------------------------------------------------------------


def test_no_text_is_empty(ours):
    assert [path for path, text in human_texts(ours) if not text.strip()] == []


def test_every_scope_is_explained(ours):
    missing = [scope for scope in Scope if scope.explanation not in ours["info"]["description"]]
    assert missing == []


def test_every_choice_is_explained(ours):
    gender = ours["components"]["schemas"]["NatuurlijkPersoon"]["properties"]["geslachtsaanduiding"]
    assert "- `v`: Vrouw" in gender["description"]


# --- derived from what runs ---------------------------------------------------------------------


def test_filters_are_those_that_the_list_has(ours):
    parameters = ours["paths"]["/klanten"]["get"]["parameters"]
    assert [found["name"] for found in parameters] == [*(found.name for found in FILTERS), "page"]


def test_operation_is_told_in_the_words_of_its_view():
    made = service("/klanten/{uuid}", "GET", operation="klant_read", permission=Scope.LEZEN)
    told = as_served([made])["paths"]["/klanten/{uuid}"]["get"]
    assert (told["summary"], told["description"]) == ("Doet iets bijzonders.",) * 2


def test_operation_asks_for_the_scope_that_is_checked():
    made = service("/klanten/{uuid}", "GET", operation="klant_read", permission=Scope.BIJWERKEN)
    told = as_served([made])["paths"]["/klanten/{uuid}"]["get"]
    assert told["security"] == [{"JWT-Claims": ["klanten.bijwerken"]}]


def test_operation_that_is_not_cacheable_has_no_etag():
    made = service("/klanten/{uuid}", "GET", operation="klant_read", permission=Scope.LEZEN)
    told = as_served([made])["paths"]["/klanten/{uuid}"]["get"]
    assert "parameters" not in told
    assert set(told["responses"]["200"]["headers"]) == {"API-version"}


def test_service_without_an_operation_is_no_path():
    assert as_served([service("/iets/anders", "GET")])["paths"] == {}
