import pytest

from klanten.delivery.ailments import HOPELESS, Ailments, Diagnosis


@pytest.fixture
def ailments(clock) -> Ailments:
    return Ailments(clock)


def fail(ailments: Ailments, number: str, answered: bool = True) -> Diagnosis:
    """A message fails, and nothing else is under way."""
    return ailments.failed(number, ailments.passed, answered)


def test_a_first_failure_is_the_api(ailments):
    assert fail(ailments, "a") is Diagnosis.API


def test_as_long_as_nothing_passes_it_is_the_api(ailments):
    for _ in range(10 * HOPELESS):
        assert fail(ailments, "a") is Diagnosis.API
        assert fail(ailments, "b") is Diagnosis.API


def test_a_message_that_others_pass_is_ill_itself(ailments):
    fail(ailments, "a")
    ailments.passes("b")
    assert fail(ailments, "a") is Diagnosis.MESSAGE


def test_a_message_that_others_pass_in_the_same_round_is_ill_itself(ailments):
    before = ailments.passed
    ailments.passes("b")
    assert ailments.failed("a", before, True) is Diagnosis.MESSAGE


def test_what_passed_before_proves_nothing(ailments):
    ailments.passes("b")
    assert fail(ailments, "a") is Diagnosis.API


def test_a_message_that_was_ill_itself_says_nothing_of_the_api_later(ailments):
    fail(ailments, "a")
    ailments.passes("b")
    fail(ailments, "a")
    assert fail(ailments, "a") is Diagnosis.MESSAGE


def test_a_message_that_others_pass_again_and_again_is_hopeless(ailments):
    fail(ailments, "a")
    for _ in range(HOPELESS - 1):
        ailments.passes("b")
        assert fail(ailments, "a") is Diagnosis.MESSAGE
    ailments.passes("b")
    assert fail(ailments, "a") is Diagnosis.HOPELESS


def test_in_an_outage_no_message_becomes_hopeless(ailments):
    fail(ailments, "a")
    ailments.passes("b")
    for _ in range(10 * HOPELESS):
        assert fail(ailments, "a") is Diagnosis.MESSAGE


def test_a_message_that_is_ill_rests_for_a_while(ailments, clock):
    fail(ailments, "a")
    assert not ailments.rests("a")
    ailments.passes("b")
    fail(ailments, "a")
    assert ailments.rests("a")
    assert not ailments.rests("c")
    clock.pass_by(2)
    assert not ailments.rests("a")


def test_a_message_that_stays_ill_rests_longer_but_not_for_ever(ailments, clock):
    for _ in range(HOPELESS):
        ailments.passes("b")
        fail(ailments, "a")
    clock.pass_by(40)
    assert ailments.rests("a")
    clock.pass_by(21)
    assert not ailments.rests("a")


def test_a_message_that_passed_is_well(ailments):
    fail(ailments, "a")
    ailments.passes("b")
    fail(ailments, "a")
    ailments.passes("a")
    assert not ailments.rests("a")
    assert ailments.failed_at("a") == 0
    assert fail(ailments, "a") is Diagnosis.API


def test_a_message_that_came_early_rests_and_the_api_is_well(ailments, clock):
    before = ailments.passed
    ailments.came_early("a")
    assert ailments.passed > before
    assert ailments.rests("a")
    clock.pass_by(1)
    assert not ailments.rests("a")
    ailments.came_early("a")
    clock.pass_by(1)
    assert ailments.rests("a")


def test_it_is_known_when_a_message_failed(ailments, clock):
    assert ailments.failed_at("a") == 0
    fail(ailments, "a")
    assert ailments.failed_at("a") == clock.now


def test_later_messages_pass_one_that_failed_very_often(ailments):
    for _ in range(HOPELESS - 1):
        fail(ailments, "a")
    assert not ailments.is_passed_by("a")
    fail(ailments, "a")
    assert ailments.is_passed_by("a")
    assert not ailments.is_passed_by("b")


def test_without_an_answer_a_message_is_not_to_blame(ailments):
    for _ in range(10 * HOPELESS):
        fail(ailments, "a", answered=False)
    assert not ailments.is_passed_by("a")


def test_when_nothing_waits_nothing_is_ill(ailments):
    for _ in range(HOPELESS):
        fail(ailments, "a")
    ailments.clear()
    assert not ailments.is_passed_by("a")
    assert ailments.failed_at("a") == 0
