"""Two registers, compared klant by klant."""

from klanten.transfer.comparing import Comparison


def compared(*klanten):
    comparison = Comparison()
    for klant in klanten:
        comparison.add(*klant)
    return comparison


def test_equal_sides_have_the_same_checksum_in_any_order_of_klanten_and_keys():
    there = compared(("1", {"a": 1, "b": 2}, None), ("2", {"a": 3}, None)).source
    here = compared(("2", None, {"a": 3}), ("1", None, {"b": 2, "a": 1})).here
    assert (there.count, there.checksum) == (here.count, here.checksum)
    assert len(there.checksum) == 64


def test_a_klant_that_is_the_same_is_equal():
    assert compared(("1", {"a": 1}, {"a": 1})).equal


def test_a_klant_of_another_uuid_has_another_checksum():
    assert compared(("1", {}, None)).source.checksum != compared(("2", {}, None)).source.checksum


def test_what_differs_is_named():
    comparison = compared(("1", {"a": 1}, {"a": 2}), ("2", {}, None), ("3", None, {}))
    assert not comparison.equal
    assert comparison.as_dict() == {
        "equal": False,
        "source": {"count": 2, "checksum": comparison.source.checksum},
        "here": {"count": 2, "checksum": comparison.here.checksum},
        "different": ["1"],
        "missing": ["2"],
        "extra": ["3"],
    }


def test_each_kind_of_difference_makes_them_unequal():
    assert not compared(("1", {"a": 1}, {"a": 2})).equal
    assert not compared(("1", {}, None)).equal
    assert not compared(("1", None, {})).equal


def test_what_can_not_be_a_klant_is_compared_as_well():
    deep = value = {}
    for _ in range(400):
        value["a"] = value = {}
    assert compared(("1", {"a": 2**64}, {"a": 2**64})).equal
    assert compared(("1", {"a": 2**64, "b": 2}, {"b": 2, "a": 2**64})).equal
    assert compared(("1", deep, {})).different == ["1"]
