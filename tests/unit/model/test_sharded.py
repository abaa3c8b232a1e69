import pytest
from BTrees.OOBTree import OOBTree
from hypothesis import given
from hypothesis import strategies as st

from klanten.model.sharded import Sharded

keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
steps = st.lists(st.tuples(st.sampled_from(["set", "delete"]), keys, st.integers()))


@given(st.sampled_from([1, 2, 16]), steps)
def test_it_behaves_like_a_dict(shards, steps):
    sharded, model = Sharded(shards), {}
    for step, key, value in steps:
        if step == "set":
            sharded[key] = model[key] = value
        elif key in model:
            del sharded[key], model[key]
        assert (key in sharded) == (key in model)
        assert sharded.get(key) == model.get(key)
    assert dict(sharded.items()) == model
    assert set(sharded) == set(sharded.keys()) == set(model)
    assert sorted(sharded.values()) == sorted(model.values())
    assert all(sharded[key] == value for key, value in model.items())


@given(keys)
def test_a_key_that_is_not_there_is_a_key_error(key):
    sharded = Sharded(4)
    with pytest.raises(KeyError):
        sharded[key]
    with pytest.raises(KeyError):
        del sharded[key]
    assert sharded.get(key, "nothing") == "nothing"


@pytest.mark.parametrize("shards", [-2, 0, 3, 1000])
def test_the_number_of_shards_is_a_power_of_two(shards):
    with pytest.raises(ValueError, match=f"not a power of two: {shards}"):
        Sharded(shards)


def test_a_key_finds_its_tree_in_every_process():
    sharded = Sharded(1024)
    # the CRC-32 of "123456789" is 0xCBF43926
    assert sharded.tree("123456789") is sharded._trees[0xCBF43926 % 1024]


def test_keys_are_spread_over_all_trees():
    sharded = Sharded(16)
    for number in range(1000):
        sharded[str(number)] = number
    assert all(30 < len(tree) < 100 for tree in sharded._trees)


def test_an_insert_loads_and_stores_little_of_a_large_map(stored, connection):
    sharded = stored(filled(Sharded(16), 10_000))
    connection.cacheMinimize()
    connection.getTransferCounts(clear=True)
    sharded["one more"] = 1
    connection.transaction_manager.commit()
    loaded, written = connection.getTransferCounts()
    assert loaded <= 5
    assert written <= 3


def test_inserts_that_split_one_tree_merge_in_a_map_of_many(stored, write_at_once):
    stored(Sharded(64))
    ours = [f"ours {number}" for number in range(10)]
    theirs = first_keys_of_other_trees(Sharded(64), ours, 10)
    merged = write_at_once(inserting(ours), inserting(theirs))
    assert set(merged) == {*ours, *theirs}


def test_inserts_in_one_leaf_merge(stored, write_at_once):
    stored(filled(Sharded(1), 5))
    merged = write_at_once(inserting(["ours"]), inserting(["theirs"]))
    assert set(merged) == {*"01234", "ours", "theirs"}


def test_an_insert_writes_less_than_in_an_ordinary_tree(stored, connection):
    maps = stored([filled(Sharded(1), 2000), filled(OOBTree(), 2000)])

    def bytes_of_an_insert(number):
        before = connection.db().getSize()
        maps[number]["1000 and a bit"] = 1
        connection.transaction_manager.commit()
        return connection.db().getSize() - before

    assert bytes_of_an_insert(0) < 0.8 * bytes_of_an_insert(1)


def filled(sharded, size):
    for number in range(size):
        sharded[str(number)] = number
    return sharded


def inserting(keys):
    def insert(sharded):
        for key in keys:
            sharded[key] = key

    return insert


def first_keys_of_other_trees(sharded, keys, count):
    taken = {id(sharded.tree(key)) for key in keys}
    candidates = (f"theirs {number}" for number in range(1000))
    return [key for key in candidates if id(sharded.tree(key)) not in taken][:count]
