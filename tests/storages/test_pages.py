"""Pages of klanten that come from another process."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from klanten.model.audittrail import Actie, Bewerking
from klanten.storage import open_database, prepare, tree
from tests.factories import make_klant
from tests.storages.conftest import Store


def test_a_page_is_asked_for_in_two_requests(store: Store, monkeypatch: pytest.MonkeyPatch):
    writing = open_database(store.uri)
    prepare(writing)
    with tree(writing) as root:
        bewerking = Bewerking(Actie.CREATE, datetime.now(UTC), "http://localhost/api/v1")
        numbers = [
            root.create(make_klant(subject="http://localhost/1"), bewerking).body["klantnummer"]
            for _ in range(150)
        ]
    writing.close()

    database = open_database(store.uri)
    asked = []
    with tree(database) as root:
        storage = root._p_jar._storage
        prefetch = storage.prefetch

        def counted(oids: Iterable[bytes]) -> None:
            asked.append(len(list(oids)))
            prefetch(oids)

        monkeypatch.setattr(storage, "prefetch", counted)
        page = root.fetch(root.search({}).docids(40, 100))
        assert [klant.body["klantnummer"] for klant in page] == numbers[40:140]
    # the segments of 64 docids, and the klanten in them
    assert asked == [3, 100]
    database.close()
