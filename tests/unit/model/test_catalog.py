from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persistent import Persistent
from ZODB.POSException import ConflictError

from klanten.model.catalog import Catalog
from klanten.model.documents import Documents
from klanten.model.postings import Selection

values = st.sampled_from(["", "a", "b", "a=b"])
entries = st.fixed_dictionaries({"naam": values, "plaats": values, "land": values})
docids = st.integers(0, 20) | st.integers(8180, 8200)
steps = st.lists(st.tuples(docids, st.none() | entries), max_size=40)
filters = st.dictionaries(st.sampled_from(["naam", "plaats", "land"]), values)


def apply(catalog, model, docid, entries):
    """Brings one docid to these entries; None: out of the catalog."""
    if docid not in model:
        if entries is not None:
            catalog.add(docid, entries)
            model[docid] = entries
    elif entries is None:
        catalog.remove(docid, model.pop(docid))
    else:
        catalog.change(docid, model[docid], entries)
        model[docid] = entries


@given(steps, filters)
def test_it_finds_what_a_scan_finds(steps, filters):
    catalog, model = Catalog(4), {}
    for docid, entries in steps:
        apply(catalog, model, docid, entries)
    expected = [
        docid
        for docid, entries in sorted(model.items())
        if all(value and entries[name] == value for name, value in filters.items())
    ]
    selection = catalog.search(filters)
    assert list(selection) == expected
    assert selection.count == len(expected)


@given(steps)
def test_its_entries_are_those_of_the_docids_in_it(steps):
    catalog, model = Catalog(4), {}
    for docid, entries in steps:
        apply(catalog, model, docid, entries)
    expected = {}
    for docid, entries in sorted(model.items()):
        expected.setdefault("", []).append(docid)
        for name, value in entries.items():
            if value:
                expected.setdefault(f"{name}={value}", []).append(docid)
    assert {key: list(Selection([posting])) for key, posting in catalog.items()} == expected


def test_without_filters_everything_is_found():
    catalog = Catalog(4)
    catalog.add(3, {"naam": "a"})
    catalog.add(4, {})
    assert list(catalog.search({})) == [3, 4]


def test_an_empty_catalog_finds_nothing():
    assert catalog_search(Catalog(4), {}) == catalog_search(Catalog(4), {"naam": "a"}) == []


def test_an_empty_value_is_not_indexed_and_finds_nothing():
    catalog = Catalog(4)
    catalog.add(3, {"naam": ""})
    assert dict(catalog.items()) == {"": (3,)}
    assert catalog_search(catalog, {"naam": ""}) == []


def test_removing_everything_leaves_nothing_behind():
    catalog, entries = Catalog(4), {"naam": "a", "plaats": ""}
    for docid in range(20):
        catalog.add(docid, entries)
    for docid in range(20):
        catalog.remove(docid, entries)
    assert list(catalog.items()) == []


def catalog_search(catalog, filters):
    return catalog.search(filters).docids(0, 100)


class TestStored:
    def test_a_change_writes_the_difference_only(self, stored, connection):
        catalog = Catalog(64)
        for docid in range(20):
            catalog.add(docid, {"naam": f"n{docid}", "plaats": "a", "land": "nl"})
        stored(catalog)
        connection.getTransferCounts(clear=True)
        old = {"naam": "n3", "plaats": "a", "land": "nl"}
        catalog.change(3, old, {**old, "naam": "other"})
        connection.transaction_manager.commit()
        trees_of_the_two_names = 2
        assert connection.getTransferCounts()[1] == trees_of_the_two_names

    def test_a_change_of_nothing_writes_nothing(self, stored, connection):
        catalog = Catalog(4)
        catalog.add(3, {"naam": "a"})
        stored(catalog)
        connection.getTransferCounts(clear=True)
        catalog.change(3, {"naam": "a"}, {"naam": "a", "plaats": ""})
        connection.transaction_manager.commit()
        assert connection.getTransferCounts()[1] == 0

    def test_a_search_reads_chunks_and_not_docids(self, stored, connection, loads):
        catalog = stored(catalog_of(60_000))
        connection.cacheMinimize()
        chunks = 8
        search = {"land": "nl", "soort": "1"}

        def pages():
            selection = catalog.search(search)
            return selection.count, selection.docids(0, 100), selection.docids(19_900, 100)

        sharded, trees, bitmaps = 2, 4, 2
        assert loads(pages) <= sharded + trees + bitmaps + 2 * chunks
        assert loads(pages) == 0

    def test_an_unknown_value_is_settled_before_a_common_one_is_read(
        self, stored, connection, loads
    ):
        catalog = stored(catalog_of(20_000))
        connection.cacheMinimize()
        catalog_and_map, trees = 2, 2
        search = {"land": "nl", "soort": "9"}
        assert loads(lambda: catalog.search(search).count) == catalog_and_map + trees


def catalog_of(size):
    catalog = Catalog(64)
    for docid in range(size):
        catalog.add(docid, {"land": "nl", "soort": str(docid % 3)})
    return catalog


class Klanten(Persistent):
    """Documents and their catalog, changed together as the root of the stored tree does."""

    def __init__(self):
        self.documents, self.catalog = Documents(), Catalog()

    def create(self, entries):
        docid = self.documents.add(Persistent())
        self.catalog.add(docid, entries)
        return docid


class TestTwoWriters:
    def test_creates_at_once_merge(self, stored, write_at_once, connection):
        """Every round two writers create; the common values are past their first few."""
        random = Random(20240101)
        klanten, model = stored(Klanten()), {}

        def creating(entries):
            def create(klanten):
                model[klanten.create(entries)] = entries

            return create

        for _ in range(40):
            creating(some_entries(random))(klanten)
        connection.transaction_manager.commit()
        for _ in range(100):
            merged = write_at_once(*(creating(some_entries(random)) for _ in range(2)))
        assert len(model) == 240
        assert list(merged.catalog.search({})) == sorted(model)
        for soort in "123":
            expected = [docid for docid, entries in model.items() if entries["soort"] == soort]
            assert list(merged.catalog.search({"soort": soort})) == sorted(expected)

    def test_a_value_that_two_give_first_is_a_conflict(self, stored, write_at_once):
        stored(Catalog(4))
        with pytest.raises(ConflictError):
            write_at_once(
                lambda catalog: catalog.add(1, {"naam": "a"}),
                lambda catalog: catalog.add(2, {"naam": "a"}),
            )

    def test_changes_of_two_docids_with_a_common_value_merge(self, stored, write_at_once):
        catalog = Catalog(256)
        for docid in range(40):
            catalog.add(docid, {"soort": "1"})
        stored(catalog)
        merged = write_at_once(
            lambda catalog: catalog.change(3, {"soort": "1"}, {}),
            lambda catalog: catalog.remove(4, {"soort": "1"}),
        )
        assert list(merged.search({"soort": "1"})) == [0, 1, 2, *range(5, 40)]
        assert list(merged.search({})) == [0, 1, 2, 3, *range(5, 40)]


def some_entries(random):
    return {
        "land": "nl",
        "soort": random.choice("123"),
        "naam": random.choice(["Jansen", "De Vries", f"{random.random()}"]),
        "emailadres": f"{random.random()}@example.nl",
        "bsn": f"{random.randrange(10**9):09}",
    }
