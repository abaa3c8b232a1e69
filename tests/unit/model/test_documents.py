from contextlib import closing

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import data, integers, sampled_from
from persistent import Persistent
from transaction import TransactionManager
from ZODB import DB
from ZODB.FileStorage import FileStorage
from ZODB.MappingStorage import MappingStorage
from ZODB.POSException import ConflictError

from klanten.model.documents import Documents


class Paper(Persistent):
    """Something to store."""

    text = ""


def added(documents, count):
    return [documents.add(Paper()) for _ in range(count)]


def docids_of(documents):
    return [docid for docid, _ in documents.items()]


class TestNotStored:
    """In a unit test, say, or before the first commit: without a database."""

    def test_docids_rise_one_by_one(self):
        assert added(Documents(), 200) == list(range(200))

    def test_what_was_added_is_fetched_in_the_order_asked_for(self):
        documents, papers = Documents(), [Paper() for _ in range(100)]
        docids = [documents.add(paper) for paper in papers]
        assert documents.fetch(reversed(docids)) == papers[::-1]

    def test_an_iterator_of_docids_will_do(self):
        documents = Documents()
        paper = Paper()
        docid = documents.add(paper)
        assert documents.fetch(iter([docid, docid])) == [paper, paper]
        assert documents.fetch([]) == []

    def test_a_removed_object_is_gone(self):
        documents = Documents()
        first, second = added(documents, 2)
        documents.remove(first)
        assert docids_of(documents) == [second]
        with pytest.raises(KeyError):
            documents[first]
        with pytest.raises(KeyError):
            documents.fetch([second, first])
        with pytest.raises(KeyError):
            documents.remove(first)

    @pytest.mark.parametrize("docid", [5, 1000])
    def test_a_docid_that_was_never_given_out_is_a_key_error(self, docid):
        documents = Documents()
        documents.add(Paper())
        for use in (
            documents.remove,
            documents.__getitem__,
            lambda docid: documents.fetch([docid]),
        ):
            with pytest.raises(KeyError):
                use(docid)

    @pytest.mark.parametrize("count", [1, 63, 64, 65, 128])
    def test_a_docid_is_not_given_out_again_when_everything_was_removed(self, count):
        documents = Documents()
        for docid in added(documents, count):
            documents.remove(docid)
        assert documents.add(Paper()) == count
        assert docids_of(documents) == [count]


class TestOneProcess:
    def test_transactions_fill_a_segment_together(self, stored, connection):
        documents = stored(Documents())
        docids = []
        for _ in range(130):
            docids += added(documents, 1)
            connection.transaction_manager.commit()
        assert docids == list(range(130))

    def test_a_transaction_fills_segment_after_segment(self, stored, connection):
        documents = stored(Documents())
        assert added(documents, 130) == list(range(130))
        connection.transaction_manager.commit()
        assert added(documents, 2) == [130, 131]

    def test_a_segment_is_forgotten_when_the_transaction_does_not_commit(self, stored, connection):
        documents = stored(Documents())
        assert added(documents, 3) == [0, 1, 2]
        connection.transaction_manager.commit()
        assert added(documents, 1) == [3]
        connection.transaction_manager.abort()
        assert added(documents, 2) == [64, 65]

    def test_a_segment_is_forgotten_when_the_commit_fails(self, stored, write_at_once, connection):
        documents = stored(Documents())
        assert added(documents, 2) == [0, 1]
        connection.transaction_manager.commit()

        def remove_and_add(documents):
            documents.remove(0)
            documents.add(Paper())

        with pytest.raises(ConflictError):
            write_at_once(remove_and_add, remove_and_add)
        connection.transaction_manager.begin()
        assert added(documents, 1) == [3]

    def test_a_segment_that_was_rolled_back_is_made_again(self, stored, connection):
        documents = stored(Documents())
        savepoint = connection.transaction_manager.savepoint()
        assert added(documents, 3) == [0, 1, 2]
        savepoint.rollback()
        assert added(documents, 2) == [0, 1]
        connection.transaction_manager.commit()
        assert docids_of(documents) == [0, 1]

    def test_objects_are_stored_by_the_create(self, stored, connection, database):
        documents = stored(Documents())
        paper = Paper()
        paper.text = "hello"
        docid = documents.add(paper)
        connection.transaction_manager.commit()
        with closing(database.open(TransactionManager())) as other:
            assert other.root()["it"].fetch([docid])[0].text == "hello"

    def test_an_object_costs_its_segment_only(self, stored, connection):
        documents = stored(Documents())
        added(documents, 3)
        connection.transaction_manager.commit()
        connection.getTransferCounts(clear=True)
        added(documents, 1)
        connection.transaction_manager.commit()
        assert connection.getTransferCounts()[1] == 2

    def test_objects_of_this_transaction_and_of_before_are_fetched_together(
        self, stored, connection
    ):
        documents = stored(Documents())
        docids = added(documents, 3)
        connection.transaction_manager.commit()
        connection.cacheMinimize()
        docids += added(documents, 3)
        assert len(documents.fetch(docids)) == 6

    def test_a_page_is_fetched_without_loading_anything_twice(self, stored, connection, loads):
        documents = stored(Documents())
        docids = added(documents, 100)
        connection.transaction_manager.commit()
        connection.cacheMinimize()
        assert loads(lambda: read(documents.fetch(docids))) <= 100 + 2 + 3
        assert loads(lambda: read(documents.fetch(docids))) == 0


class TestManyProcesses:
    """Two connections that both create are two processes: each fills a segment of its own."""

    def test_segments_of_their_own_merge(self, stored, write_at_once, connection):
        documents = stored(Documents())
        added(documents, 1)
        connection.transaction_manager.commit()
        merged = write_at_once(*[lambda documents: added(documents, 2)] * 2)
        assert docids_of(merged) == [0, 1, 2, 64, 65]

    def test_two_that_make_the_same_segment_conflict(self, stored, write_at_once):
        stored(Documents())
        with pytest.raises(ConflictError):
            write_at_once(*[lambda documents: added(documents, 1)] * 2)

    def test_a_create_merges_with_removals_in_its_segment(self, stored, write_at_once, connection):
        documents = stored(Documents())
        added(documents, 4)
        connection.transaction_manager.commit()
        merged = write_at_once(
            lambda documents: documents.remove(0),
            lambda documents: added(documents, 1),
            lambda documents: documents.remove(3),
        )
        # the first to create has the segment of the process
        assert docids_of(merged) == [1, 2, 4]

    def test_removals_that_empty_a_segment_together_merge(self, stored, write_at_once, connection):
        documents = stored(Documents())
        added(documents, 2)
        connection.transaction_manager.commit()
        merged = write_at_once(
            lambda documents: documents.remove(0), lambda documents: documents.remove(1)
        )
        assert docids_of(merged) == []
        assert merged.add(Paper()) == 2

    def test_one_object_is_not_removed_twice(self, stored, write_at_once):
        documents = Documents()
        added(documents, 2)
        stored(documents)
        with pytest.raises(ConflictError):
            write_at_once(*[lambda documents: documents.remove(0)] * 2)


class PrefetchingStorage(FileStorage):
    """A storage that can read many objects in one request, as ZEO and RelStorage can."""

    def __init__(self, path):
        super().__init__(path)
        self.requests = []

    def prefetch(self, oids, tid):
        self.requests.append(set(oids))


class TestPrefetch:
    @pytest.fixture
    def storage(self, tmp_path):
        return PrefetchingStorage(str(tmp_path / "Prefetch.fs"))

    @pytest.fixture
    def documents(self, storage):
        with closing(DB(storage)) as database, closing(database.open(TransactionManager())) as it:
            documents = it.root()["it"] = Documents()
            added(documents, 130)
            it.transaction_manager.commit()
            it.cacheMinimize()
            yield documents

    def test_a_cold_page_takes_two_requests(self, storage, documents):
        papers = documents.fetch(range(100))
        segments, objects = storage.requests
        assert len(segments) == 2
        assert objects == {paper._p_oid for paper in papers}

    def test_a_warm_page_takes_no_request(self, storage, documents):
        read(documents.fetch(range(100)))
        storage.requests.clear()
        documents.fetch(range(100))
        assert storage.requests == []

    def test_one_object_is_not_worth_a_request(self, storage, documents):
        documents.fetch([0])
        assert storage.requests == []

    def test_only_what_is_not_loaded_is_asked_for(self, storage, documents):
        read(documents.fetch(range(3)))
        storage.requests.clear()
        papers = documents.fetch(range(5))
        assert storage.requests == [{paper._p_oid for paper in papers[3:]}]


class DocumentsOverTime(RuleBasedStateMachine):
    """Whatever is added, removed, committed and aborted, by processes that come and go."""

    def __init__(self):
        super().__init__()
        self.storage = MappingStorage()
        # docids ever given out, and what they stand for; and both as they were committed
        self.given_out, self.present = set(), {}
        self.committed = set(), {}
        self.start()
        self.connection.root()["it"] = Documents()
        self.connection.transaction_manager.commit()

    def start(self):
        self.database = DB(self.storage)
        self.connection = self.database.open(TransactionManager())

    @property
    def documents(self):
        return self.connection.root()["it"]

    @rule(count=sampled_from([1, 2, 40, 100]))
    def add(self, count):
        for _ in range(count):
            paper = Paper()
            docid = self.documents.add(paper)
            assert docid not in self.given_out
            self.given_out.add(docid)
            self.present[docid] = paper

    @precondition(lambda self: self.present)
    @rule(data=data())
    def remove(self, data):
        docid = data.draw(sampled_from(sorted(self.present)))
        self.documents.remove(docid)
        del self.present[docid]

    @precondition(lambda self: self.present)
    @rule(count=integers(1, 70))
    def remove_the_last(self, count):
        for docid in sorted(self.present)[-count:]:
            self.documents.remove(docid)
            del self.present[docid]

    @rule()
    def commit(self):
        self.connection.transaction_manager.commit()
        self.committed = set(self.given_out), dict(self.present)

    @rule()
    def abort(self):
        self.connection.transaction_manager.abort()
        self.given_out, self.present = set(self.committed[0]), dict(self.committed[1])

    @rule()
    def restart(self):
        self.commit()
        oids = {docid: paper._p_oid for docid, paper in self.present.items()}
        self.connection.close()
        self.start()
        self.present = {docid: self.connection.get(oid) for docid, oid in oids.items()}
        self.committed = set(self.given_out), dict(self.present)

    @invariant()
    def everything_present_is_found(self):
        docids = sorted(self.present, reverse=True)
        assert dict(self.documents.items()) == self.present
        assert self.documents.fetch(docids) == [self.present[docid] for docid in docids]

    def teardown(self):
        self.connection.transaction_manager.abort()
        self.connection.close()
        self.database.close()


TestDocumentsOverTime = DocumentsOverTime.TestCase
TestDocumentsOverTime.settings = settings(max_examples=60, stateful_step_count=25)


def read(papers):
    return [paper.text for paper in papers]
