import logging

import pytest

from klanten.delivery.outage import LONGEST_WAIT, STILL_SECONDS, Outage, backoff


@pytest.fixture
def outage(clock) -> Outage:
    return Outage(clock)


@pytest.fixture
def lines(caplog):
    """The lines that an operator sees."""
    caplog.set_level(logging.INFO, "klanten.delivery")
    return lambda: [record.getMessage() for record in caplog.records]


# --- when to try again --------------------------------------------------------------------------


def test_the_wait_begins_near_a_second_and_doubles_up_to_a_minute():
    for failures, seconds in enumerate([1, 2, 4, 8, 16, 32, 60, 60, 60], 1):
        waits = [backoff(failures) for _ in range(200)]
        assert 0.75 * seconds <= min(waits) <= max(waits) <= seconds


def test_the_wait_is_never_longer_than_a_minute():
    assert backoff(10**9) <= LONGEST_WAIT


def test_waits_differ():
    assert len({backoff(1) for _ in range(20)}) > 1


def test_at_first_the_api_is_thought_to_be_well(outage):
    assert (outage.is_on, outage.remaining(), outage.trouble) == (False, 0, "")


def test_after_a_failure_the_api_is_left_alone_for_a_while(outage, clock):
    outage.failed("500")
    assert outage.is_on
    assert 0.75 <= outage.remaining() <= 1
    clock.pass_by(1)
    assert outage.remaining() == 0
    assert outage.is_on


def test_the_api_is_left_alone_for_as_long_as_it_asks(outage):
    outage.failed("429", 300)
    assert outage.remaining() == 300


def test_less_than_the_usual_wait_is_not_possible(outage):
    for _ in range(10):
        outage.failed("429", 1)
    assert outage.remaining() >= 45


def test_an_api_that_answers_is_well(outage):
    outage.failed("500", 300)
    outage.failed("500", 300)
    outage.ended()
    assert (outage.is_on, outage.remaining(), outage.trouble) == (False, 0, "")
    outage.failed("500")
    assert outage.remaining() <= 1


# --- what the operator hears --------------------------------------------------------------------


def test_a_single_failure_is_not_told(outage, lines):
    outage.failed("500")
    assert outage.trouble == ""
    outage.ended()
    assert lines() == []


def test_an_outage_is_told_at_its_begin_and_its_end(outage, clock, lines):
    for _ in range(15):
        outage.failed("Connection refused")
        clock.pass_by(outage.remaining())
    outage.ended()
    outage.ended()
    begin, end = lines()
    assert "Connection refused" in begin
    assert "again" in end


def test_an_outage_that_lasts_is_told_now_and_then(outage, clock, lines):
    for _ in range(200):
        outage.failed("500")
        clock.pass_by(LONGEST_WAIT)
    still = lines()[1:]
    assert len(still) == pytest.approx(200 * LONGEST_WAIT / STILL_SECONDS, abs=2)
    assert all("500" in line for line in still)


def test_a_second_outage_is_told_as_well(outage, lines):
    for _ in range(2):
        outage.failed("500")
        outage.failed("500")
        outage.ended()
    assert len(lines()) == 4


def test_the_trouble_says_since_when(outage):
    outage.failed("500")
    outage.failed("401: our token is refused")
    since, _, reason = outage.trouble.partition("Z: ")
    assert since.startswith("since 20")
    assert reason == "401: our token is refused"
