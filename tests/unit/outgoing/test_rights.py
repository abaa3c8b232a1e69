"""How long an answer of the Autorisaties API counts, and who asks for the next one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from klanten.outgoing.autorisaties import (
    NO_RIGHTS,
    AskerRefused,
    AutorisatiesApi,
    NoAnswer,
    QuestionRefused,
    Rights,
)
from klanten.outgoing.rights import Journal, KeptRights
from klanten.outgoing.services import Autorisaties as Service
from klanten.scopes import Scope
from tests.neighbours import server as neighbour
from tests.neighbours.autorisaties import Autorisaties
from tests.neighbours.server import garbage, status

EVERYTHING = frozenset(Scope)
LONG = 600.0
CALLERS = 8


@pytest.fixture
def ac():
    """The Autorisaties API; whatever is asked must be right by its standard."""
    with Autorisaties() as ac:
        ac.register("balie", "portaal")
        yield ac
    assert ac.wrong == []


@pytest.fixture
def make_kept(door, ac):
    def make(clients=("balie", "portaal", "another"), **given):
        times = {"timeout": 30.0, "cache_ttl": LONG, "stale_ttl": LONG} | given
        service = Service(ac.api_root, neighbour.CLIENT_ID, neighbour.SECRET, **times)
        return KeptRights(AutorisatiesApi(door, service, "kc"), service, lambda: clients)

    return make


@pytest.fixture
def callers():
    with ThreadPoolExecutor(CALLERS) as callers:
        yield callers


def scopes(rights):
    return None if rights is None else rights.scopes


def all_at_once(callers, ask):
    """What each of the callers hears, when they all ask at the same moment."""
    barrier = threading.Barrier(CALLERS, timeout=60)

    def one(_):
        barrier.wait()
        return scopes(ask("balie"))

    return list(callers.map(one, range(CALLERS)))


# --- as long as the answer is new ---------------------------------------------------------------


def test_nothing_is_known_of_a_client_before_it_was_asked_about(ac, make_kept):
    assert make_kept().known("balie") is None
    assert ac.asked == []


def test_answer_is_known_without_another_call(ac, make_kept):
    kept = make_kept()
    assert kept.ask("balie").scopes == EVERYTHING
    assert kept.known("balie").scopes == EVERYTHING
    assert kept.ask("balie").scopes == EVERYTHING
    assert ac.asked_about("balie") == 1


def test_each_client_has_an_answer_of_its_own(ac, make_kept):
    kept = make_kept()
    assert kept.ask("balie").scopes == EVERYTHING
    assert kept.ask("another") == NO_RIGHTS
    assert kept.known("another") == NO_RIGHTS


def test_refusals_are_kept_like_any_answer(ac, make_kept):
    kept = make_kept()
    ac.mood = status(404)
    assert kept.ask("balie") == NO_RIGHTS
    ac.mood = status(403)
    assert kept.ask("portaal") == Rights(asker_refused=True)
    ac.mood = None
    assert kept.known("balie") == NO_RIGHTS
    assert kept.known("portaal") == Rights(asker_refused=True)


def test_first_callers_of_a_client_share_one_call(ac, make_kept, callers):
    kept = make_kept()
    ac.mood = slowly(ac)
    assert all_at_once(callers, kept.ask) == [EVERYTHING] * CALLERS
    assert ac.asked_about("balie") == 1


def test_first_callers_share_the_absence_of_an_answer(ac, make_kept, callers):
    kept = make_kept(timeout=0.3)
    ac.mood = ac.hang
    assert all_at_once(callers, kept.ask) == [None] * CALLERS
    assert len(ac.asked) == 1


def test_client_that_is_no_more_is_forgotten(ac, make_kept):
    clients = {"balie", "portaal"}
    kept = make_kept(clients)
    kept.ask("balie")
    clients.remove("balie")
    kept.ask("portaal")
    assert kept.known("balie") is None
    assert kept.known("portaal").scopes == EVERYTHING


def slowly(ac):
    """Take a moment for a right answer."""

    def mood(handler):
        time.sleep(0.1)
        one = ac.applicaties[0]
        handler.reply(200, {"count": 1, "next": None, "previous": None, "results": [one]})

    return mood


# --- when it is not -----------------------------------------------------------------------------


def test_changed_rights_count_when_the_answer_is_no_longer_new(ac, make_kept):
    kept = make_kept(cache_ttl=0.0)
    kept.ask("balie")
    ac.applicaties.clear()
    ac.register("balie", scopes="klanten.lezen")
    assert kept.known("balie") is None
    assert kept.ask("balie").scopes == {Scope.LEZEN}


def test_withdrawn_rights_count_when_the_answer_is_no_longer_new(ac, make_kept):
    kept = make_kept(cache_ttl=0.0)
    kept.ask("balie")
    ac.applicaties.clear()
    assert kept.ask("balie") == NO_RIGHTS


def test_one_caller_asks_again_while_others_go_on(ac, make_kept, callers):
    kept = make_kept(cache_ttl=0.0)
    kept.ask("balie")
    ac.mood = ac.hang
    first = callers.submit(kept.ask, "balie")
    ac.wait_for_hanging()
    assert [kept.ask("balie").scopes for _ in range(3)] == [EVERYTHING] * 3
    assert ac.asked_about("balie") == 2
    assert not first.done()
    ac.release()
    assert first.result().scopes == EVERYTHING


def test_all_callers_wait_for_the_answer_about_a_client_that_was_quiet(ac, make_kept, callers):
    kept = make_kept(cache_ttl=0.1, timeout=1.0)
    kept.ask("balie")
    ac.applicaties[0]["heeftAlleAutorisaties"] = False
    time.sleep(1.2)
    ac.mood = slowly(ac)
    assert all_at_once(callers, kept.ask) == [frozenset()] * CALLERS
    assert ac.asked_about("balie") == 2


def test_many_callers_cause_one_call_for_each_time_to_live(ac, make_kept, callers):
    ttl = 0.1
    kept = make_kept(cache_ttl=ttl)
    end = time.monotonic() + 1

    def hammer(_):
        heard = set()
        while time.monotonic() < end:
            heard.add(scopes(kept.known("balie") or kept.ask("balie")))
        return heard

    start = time.monotonic()
    assert list(callers.map(hammer, range(CALLERS))) == [{EVERYTHING}] * CALLERS
    assert 1 < ac.asked_about("balie") <= (time.monotonic() - start) / ttl + 1


# --- when the AC is down ------------------------------------------------------------------------


def test_old_answer_counts_while_the_ac_is_down(ac, make_kept):
    kept = make_kept(cache_ttl=0.0)
    kept.ask("balie")
    ac.down()
    assert kept.ask("balie").scopes == EVERYTHING
    ac.up()


def test_answer_that_is_too_old_does_not_count(ac, make_kept):
    kept = make_kept(cache_ttl=0.0, stale_ttl=0.0)
    kept.ask("balie")
    ac.mood = status(500)
    assert kept.ask("balie") is None


def test_answer_becomes_too_old_while_the_ac_is_down(ac, make_kept):
    kept = make_kept(cache_ttl=0.0, stale_ttl=1.0)
    kept.ask("balie")
    ac.mood = garbage()
    assert kept.ask("balie").scopes == EVERYTHING
    assert until(lambda: kept.ask("balie") is None)
    ac.mood = None
    assert until(lambda: kept.ask("balie")).scopes == EVERYTHING


def test_new_answer_counts_although_the_ac_is_down_for_others(ac, make_kept):
    kept = make_kept(stale_ttl=0.0)
    kept.ask("balie")
    ac.down()
    assert kept.ask("portaal") is None
    assert kept.ask("balie").scopes == EVERYTHING
    ac.up()


def test_refusal_counts_although_there_was_a_good_answer(ac, make_kept):
    kept = make_kept(cache_ttl=0.0)
    kept.ask("balie")
    ac.mood = status(401)
    assert kept.ask("balie") == Rights(asker_refused=True)
    ac.mood = status(400)
    assert kept.ask("balie") == NO_RIGHTS


def test_client_that_was_never_seen_has_no_rights_while_the_ac_is_down(ac, make_kept):
    kept = make_kept()
    ac.mood = status(503)
    assert kept.ask("balie") is None


def test_nobody_calls_again_right_after_a_call_without_an_answer(ac, make_kept):
    kept = make_kept()
    ac.mood = status(500)
    assert [kept.ask("balie") for _ in range(3)] == [None] * 3
    assert ac.asked_about("balie") == 1


def test_trouble_with_one_client_is_not_the_trouble_of_others(ac, make_kept):
    kept = make_kept()
    with ac.in_the_mood(status(500)):
        assert kept.ask("balie") is None
    assert kept.ask("portaal").scopes == EVERYTHING


def test_ac_that_hangs_is_spared_by_all_clients(ac, make_kept):
    kept = make_kept(timeout=0.2)
    with ac.in_the_mood(ac.hang):
        assert kept.ask("balie") is None
    assert kept.ask("portaal") is None
    assert len(ac.asked) == 1


def test_one_caller_at_a_time_finds_out_whether_the_ac_is_back(ac, make_kept, callers):
    kept = make_kept(cache_ttl=0.0)
    ac.down()
    assert kept.ask("balie") is None
    ac.up()
    ac.mood = ac.hang
    first = callers.submit(kept.ask, "balie")
    ac.wait_for_hanging()
    assert kept.ask("balie") is None
    assert kept.ask("portaal") is None
    assert len(ac.asked) == 1
    ac.release()
    assert first.result() is None


def test_ac_that_is_back_is_asked_again(ac, make_kept):
    kept = make_kept(cache_ttl=0.05)
    ac.down()
    assert kept.ask("balie") is None
    ac.up()
    assert until(lambda: kept.ask("balie")).scopes == EVERYTHING
    assert kept.ask("portaal").scopes == EVERYTHING


def until(found):
    """What `found()` gives, once it is true."""
    end = time.monotonic() + 60
    while not (result := found()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return result


# --- the log ------------------------------------------------------------------------------------


def lines(caplog):
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "klanten.outgoing.rights"
    ]


def test_outage_is_a_line_or_two_in_the_log(ac, make_kept, caplog):
    kept = make_kept(cache_ttl=0.0)
    kept.ask("balie")
    with ac.in_the_mood(status(502)):
        for _ in range(5):
            kept.ask("balie")
            kept.ask("another")
    with ac.in_the_mood(garbage()):
        kept.ask("balie")
    for client_id in ("balie", "another", "balie"):
        kept.ask(client_id)
    (down, unknown, back) = lines(caplog)
    assert down == (
        "ERROR",
        f"the Autorisaties API at {ac.api_root} gives no answer: its last ones count for a while, "
        "then clients are refused (status 502)",
    )
    assert unknown == (
        "ERROR",
        "client another is refused (503) until the Autorisaties API says what it may do",
    )
    assert back == ("WARNING", f"the Autorisaties API at {ac.api_root} answers again")


def test_each_outage_has_its_lines(ac, make_kept, caplog):
    kept = make_kept(cache_ttl=0.0, stale_ttl=0.0)
    for _ in range(2):
        with ac.in_the_mood(status(500)):
            kept.ask("balie")
        kept.ask("balie")
    assert [level for level, _ in lines(caplog)] == ["ERROR", "ERROR", "WARNING"] * 2


def test_refusals_are_told_with_what_to_do(ac, make_kept, caplog):
    kept = make_kept(cache_ttl=0.0)
    for code in (403, 401, 404, 400):
        ac.mood = status(code)
        kept.ask("balie")
    (asker, question) = [text for _, text in lines(caplog)]
    assert "see that it knows the client_id and secret" in asker
    assert "see that its api_root is right (status 404)" in question


@pytest.fixture
def journal(caplog):
    return Journal("https://ac.example.nl")


DOWN = NoAnswer("it is no JSON")


def test_client_that_always_fails_does_not_fill_the_log(journal, caplog):
    for second in range(100):
        journal.note("odd", DOWN, second)
        journal.note("balie", None, second)
    assert len(lines(caplog)) == 1


def test_outage_is_over_when_nobody_met_it_for_long(journal, caplog):
    journal.note("odd", DOWN, 0)
    journal.note("balie", None, 1)
    assert len(lines(caplog)) == 1
    journal.note("balie", None, 61)
    assert lines(caplog)[1:] == [
        ("WARNING", "the Autorisaties API at https://ac.example.nl answers again")
    ]


@pytest.mark.parametrize("other", [AskerRefused("status 403"), QuestionRefused("status 400")])
def test_another_kind_of_trouble_is_told(journal, caplog, other):
    for trouble in (DOWN, other, other, DOWN):
        journal.note("balie", trouble, 0)
    assert len(lines(caplog)) == 3
