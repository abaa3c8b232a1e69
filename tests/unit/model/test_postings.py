import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

from klanten.model.postings import Bitmap, Chunk, Selection, add, contains, remove

# few docids in few chunks, so that they meet; and the ends of chunks
docids = st.one_of(
    st.integers(0, 25),
    st.builds(lambda chunk, offset: chunk * 8192 + offset, st.integers(0, 5), st.integers(0, 3)),
    st.integers(1, 4).map(lambda chunk: chunk * 8192 - 1),
)
sets = st.one_of(
    st.sets(docids, max_size=3),
    st.sets(docids, min_size=9),
    st.builds(
        lambda start, size, step: set(range(start, start + size, step)),
        st.integers(0, 30_000),
        st.integers(0, 20_000),
        st.sampled_from([1, 3, 5000]),
    ),
)
steps = st.lists(st.tuples(st.sampled_from([add, add, add, remove]), docids), max_size=60)


def posting_of(docids):
    posting = None
    for docid in docids:
        posting = add(posting, docid)
    return posting


@given(steps)
def test_a_posting_behaves_like_a_set(steps):
    posting, model = None, set()
    for step, docid in steps:
        posting = step(posting, docid)
        model = model | {docid} if step is add else model - {docid}
        assert contains(posting, docid) == (step is add)
        assert (posting is None) == (not model)
    assert list(Selection([posting])) == sorted(model)


@given(st.lists(docids))
def test_up_to_eight_docids_are_plain_values_and_more_are_a_bitmap(docids):
    posting, distinct = posting_of(docids), sorted(set(docids))
    match len(distinct):
        case 0:
            assert posting is None
        case size if size <= 8:
            assert posting == tuple(distinct)
        case _:
            assert isinstance(posting, Bitmap)


@given(st.sets(st.integers(0, 3 * 8192), min_size=9))
def test_the_same_rule_holds_for_the_chunks_of_a_bitmap(docids):
    for number, part in posting_of(docids).items():
        offsets = tuple(sorted(docid % 8192 for docid in docids if docid // 8192 == number))
        if len(offsets) > 8:
            assert isinstance(part, Chunk)
        else:
            assert part == offsets


@given(st.sets(docids, min_size=9))
def test_an_emptied_posting_is_none_and_an_emptied_chunk_is_gone(docids):
    posting = posting_of(docids)
    for docid in sorted(docids):
        assert min(posting) == docid // 8192
        posting = remove(posting, docid)
    assert posting is None


@given(st.lists(sets, min_size=1, max_size=4))
def test_a_selection_is_what_all_postings_share(sets):
    expected = sorted(set.intersection(*sets))
    selection = Selection([posting_of(docids) for docids in sets])
    assert selection.count == len(expected)
    assert list(selection) == expected


@given(sets, st.integers(0, 20_000), st.integers(0, 150))
def test_a_page_of_a_selection_is_a_slice(docids, offset, limit):
    selection = Selection([posting_of(docids)])
    assert selection.docids(offset, limit) == sorted(docids)[offset : offset + limit]


def test_docid_zero_is_a_docid():
    assert add(None, 0) == (0,)
    assert list(Selection([(0,)])) == [0]
    assert contains((0,), 0)
    assert remove((0,), 0) is None


def test_removing_what_is_not_there_changes_nothing():
    bitmap = posting_of(range(20))
    assert remove(None, 1) is None
    assert remove((5,), 1) == (5,)
    assert remove((5, 6), 1) == (5, 6)
    assert remove(bitmap, 9000) is bitmap
    assert list(Selection([bitmap])) == list(range(20))


def test_a_full_chunk_is_stored_in_about_a_kilobyte():
    chunk = posting_of(range(8192))[0]
    assert len(pickle.dumps(chunk.__getstate__(), 3)) < 1024 + 32


class TestStored:
    def test_another_docid_of_a_common_value_writes_its_chunk_only(self, stored, connection):
        bitmap = stored(posting_of(range(0, 30_000, 2)))
        connection.getTransferCounts(clear=True)
        assert add(bitmap, 8193) is bitmap
        connection.transaction_manager.commit()
        assert connection.getTransferCounts()[1] == 1

    def test_a_rare_value_reads_only_its_own_chunk_of_a_common_one(self, stored, connection, loads):
        bitmap = stored(posting_of(range(100_000)))
        connection.cacheMinimize()
        assert loads(lambda: Selection([bitmap, (50_000,)]).docids(0, 100)) == 2

    def test_what_no_posting_shares_is_not_read(self, stored, connection, loads):
        low, high = stored([posting_of(range(20_000)), posting_of(range(90_000, 120_000))])
        connection.cacheMinimize()
        chunks_of_low = 3
        assert loads(lambda: Selection([high, low]).count) == 2 + chunks_of_low

    def test_a_chunk_is_not_read_when_others_share_nothing_there(self, stored, connection, loads):
        even, odd, all_of_them = stored(
            [posting_of(range(0, 40, 2)), posting_of(range(1, 41, 2)), posting_of(range(20_000))]
        )
        connection.cacheMinimize()
        assert loads(lambda: Selection([all_of_them, even, odd]).count) == 3 + 2

    def test_a_selection_loads_nothing_more_when_asked_again(self, stored, connection, loads):
        bitmaps = stored([posting_of(range(0, 50_000, step)) for step in (1, 3)])

        def pages():
            selection = Selection(bitmaps)
            return selection.docids(0, 100), selection.docids(selection.count - 100, 100)

        connection.cacheMinimize()
        assert loads(pages) == 2 + 2 * 7
        assert loads(pages) == 0


class TestTwoWriters:
    def test_bits_that_two_writers_set_in_a_chunk_are_united(self, stored, write_at_once):
        stored(posting_of(range(20)))
        merged = write_at_once(adding(100, 101), adding(7000))
        assert list(Selection([merged])) == [*range(20), 100, 101, 7000]

    def test_an_addition_and_a_removal_merge(self, stored, write_at_once):
        stored(posting_of(range(20)))
        merged = write_at_once(removing(3), adding(100))
        assert list(Selection([merged])) == [0, 1, 2, *range(4, 20), 100]

    def test_three_writers_merge(self, stored, write_at_once):
        stored(posting_of(range(20)))
        merged = write_at_once(adding(100), removing(0), adding(200))
        assert list(Selection([merged])) == [*range(1, 20), 100, 200]

    @given(old=st.sets(st.integers(0, 12), min_size=9), data=st.data())
    def test_any_two_changes_merge_exactly_or_conflict(self, old, data):
        theirs, ours = (data.draw(st.sets(st.integers(0, 12))) for _ in range(2))
        states = [{"bits": sum(1 << bit for bit in bits)} for bits in (old, theirs, ours)]
        flipped_by_both = (old ^ theirs) & (old ^ ours)
        merged = (old & theirs & ours) | (theirs - old) | (ours - old)
        if flipped_by_both or not (theirs and ours and merged):
            with pytest.raises(ConflictError):
                Chunk()._p_resolveConflict(*states)
        else:
            resolved = Chunk()._p_resolveConflict(*states)
            assert resolved == {"bits": sum(1 << bit for bit in merged)}

    @pytest.mark.parametrize("change", ["adding", "removing"])
    def test_a_bit_that_both_flip_is_a_conflict(self, stored, write_at_once, change):
        stored(posting_of(range(20)))
        step = adding(100) if change == "adding" else removing(3)
        with pytest.raises(ConflictError):
            write_at_once(step, step)

    def test_new_chunks_of_two_writers_merge(self, stored, write_at_once):
        stored(posting_of(range(20)))
        merged = write_at_once(adding(9000), adding(17_000))
        assert list(Selection([merged])) == [*range(20), 9000, 17_000]

    @pytest.mark.parametrize("emptied_first", [True, False])
    def test_a_docid_is_never_added_to_a_chunk_that_another_takes_out(
        self, stored, write_at_once, emptied_first
    ):
        stored(posting_of([*range(20), 9000]))
        changes = [removing(*range(20)), adding(100)]
        with pytest.raises(ConflictError):
            write_at_once(*(changes if emptied_first else reversed(changes)))

    @pytest.mark.parametrize("emptied_first", [True, False])
    def test_a_docid_is_never_added_to_a_bitmap_that_another_empties(
        self, stored, write_at_once, emptied_first
    ):
        stored(posting_of(range(20)))
        changes = [removing(*range(20)), adding(9000)]
        with pytest.raises(ConflictError):
            write_at_once(*(changes if emptied_first else reversed(changes)))

    def test_a_chunk_that_two_writers_empty_together_is_a_conflict(self, stored, write_at_once):
        stored(posting_of(range(20)))
        with pytest.raises(ConflictError):
            write_at_once(removing(*range(10)), removing(*range(10, 20)))


def adding(*docids):
    def change(bitmap):
        for docid in docids:
            bitmap.add(docid)

    return change


def removing(*docids):
    def change(bitmap):
        for docid in docids:
            bitmap.remove(docid)

    return change
