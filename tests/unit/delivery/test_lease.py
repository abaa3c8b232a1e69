import os
import socket

import pytest

from klanten.delivery.lease import LEASE_SECONDS, RENEW_SECONDS, Claim
from klanten.model.outbox import Lease


@pytest.fixture
def lease() -> Lease:
    return Lease()


@pytest.fixture
def one(clock) -> Claim:
    return Claim(clock=clock)


@pytest.fixture
def other(clock) -> Claim:
    return Claim(clock=clock)


def test_a_lease_that_nobody_holds_may_be_taken(lease, one):
    assert not one.holds
    assert one.take(lease)
    assert one.holds
    assert lease.holder == one.name


def test_an_operator_recognises_the_holder(one, other):
    assert one.name.startswith(f"{socket.gethostname()}:{os.getpid()}:")
    assert one.name != other.name


def test_a_lease_that_is_held_can_not_be_taken(lease, one, other):
    one.take(lease)
    assert not other.is_free(lease)
    assert not other.take(lease)
    assert not other.holds
    assert lease.holder == one.name


def test_the_holder_shows_now_and_then_that_it_is_alive(lease, clock, one):
    one.take(lease)
    beat = lease.beat
    assert not one.is_due
    one.take(lease)
    assert lease.beat == beat
    clock.pass_by(RENEW_SECONDS + 1)
    assert one.is_due
    one.take(lease)
    assert lease.beat == beat + 1
    assert not one.is_due


def test_a_holder_that_shows_itself_keeps_the_lease(lease, clock, one, other):
    for _ in range(20):
        one.take(lease)
        assert not other.is_free(lease)
        clock.pass_by(RENEW_SECONDS + 1)


def test_a_holder_that_is_silent_loses_the_lease(lease, clock, one, other):
    one.take(lease)
    assert not other.is_free(lease)
    clock.pass_by(LEASE_SECONDS - 1)
    assert not other.is_free(lease)
    clock.pass_by(2)
    assert other.take(lease)
    assert other.holds
    assert not one.holds
    assert not one.take(lease)


def test_a_holder_that_had_nothing_to_do_for_long_takes_its_lease_anew(lease, clock, one):
    one.take(lease)
    beat = lease.beat
    clock.pass_by(100 * LEASE_SECONDS)
    assert not one.holds
    assert one.take(lease)
    assert one.holds
    assert lease.beat == beat + 1


def test_silence_counts_from_when_it_is_first_seen(lease, clock, one, other):
    one.take(lease)
    clock.pass_by(100 * LEASE_SECONDS)
    assert not other.is_free(lease)
    clock.pass_by(LEASE_SECONDS + 1)
    assert other.is_free(lease)


def test_the_holder_stops_before_another_may_begin(lease, clock, one, other):
    one.take(lease)
    clock.pass_by(1)
    other.is_free(lease)
    clock.pass_by(LEASE_SECONDS - 0.5)
    assert not one.holds
    assert not other.is_free(lease)


def test_nothing_in_the_lease_is_a_moment(lease, one):
    one.take(lease)
    assert set(vars(lease)) == {"holder", "beat"}


def test_a_released_lease_is_free_at_once(lease, one, other):
    one.take(lease)
    assert not other.is_free(lease)
    one.release(lease)
    assert not one.holds
    assert other.take(lease)


def test_only_the_holder_releases_the_lease(lease, one, other):
    one.take(lease)
    other.release(lease)
    assert lease.holder == one.name


def test_a_claim_that_did_not_commit_is_none(lease, one):
    one.take(lease)
    one.forget()
    assert not one.holds
    beat = lease.beat
    assert one.take(lease)
    assert lease.beat == beat + 1


def test_whoever_has_the_database_alone_does_not_wait_for_the_dead(lease, clock, one):
    one.take(lease)
    alone = Claim(alone=True, clock=clock)
    assert alone.take(lease)
    assert lease.holder == alone.name


def test_whoever_has_the_database_alone_writes_once(lease, clock):
    alone = Claim(alone=True, clock=clock)
    assert not alone.is_due
    for _ in range(3):
        alone.take(lease)
        clock.pass_by(100 * LEASE_SECONDS)
        assert alone.holds
        assert not alone.is_due
    assert lease.beat == 1
