"""A source that is slow, down, shy or no Klanten API at all."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from klanten.outgoing.door import Door
from klanten.outgoing.services import Service
from klanten.transfer.source import (
    LONGEST_WAIT,
    WAITS,
    Source,
    SourceFailed,
    TokenService,
    TrailFailed,
    TrailRefused,
)
from tests.neighbours.server import CLIENT_ID, SECRET, Neighbour, garbage, status

UUID = "6a107b75-677f-4cbd-8c22-af58be6521cc"


class Register(Neighbour):
    """A Klanten API with a few klanten on each page."""

    def __init__(self):
        self.pages = {"1": ["a", "b"], "2": ["c"]}
        super().__init__()

    routes = {("GET", "/klanten"): "list"}

    def list(self, asked, handler):
        [(name, number)] = asked.params
        assert name == "page"
        if number not in self.pages:
            handler.reply(404, {"code": "not_found"})
            return
        more = str(int(number) + 1) in self.pages
        following = "http://internal.host/klanten?page=x" if more else None
        total = sum(map(len, self.pages.values()))
        handler.reply(200, {"count": total, "next": following, "results": self.pages[number]})


@pytest.fixture
def register():
    with Register() as register:
        yield register


@pytest.fixture
def waited():
    return []


@pytest.fixture
def source(register, waited):
    service = Service(register.api_root, CLIENT_ID, SECRET, 5.0)
    with closing(Door()) as door:
        yield Source(door, service, waited.append)


def moods(*following):
    """One mood after another, for each request the next."""
    rest = iter(following)
    return lambda handler: next(rest)(handler)


def test_all_pages_are_read_by_their_number(register, source):
    assert list(source.pages()) == [(3, ["a", "b"]), (3, ["c"])]
    assert register.wrong == []


def test_pages_that_went_while_they_were_read_end_the_list(register, source):
    pages = source.pages()
    next(pages)
    del register.pages["2"]
    assert list(pages) == []


def test_an_empty_page_ends_the_list(register, source):
    register.pages = {"1": [], "2": ["x"]}
    assert list(source.pages()) == [(1, [])]


@pytest.mark.parametrize("count", [None, "abc", [1]])
def test_a_count_that_is_none_counts_as_nothing(register, source, count):
    with register.in_the_mood(status(200, {"count": count, "next": None, "results": ["a"]})):
        assert list(source.pages()) == [(0, ["a"])]


def test_a_source_that_fails_for_a_moment_is_asked_again(register, source, waited):
    page = {"count": 0, "next": None, "results": []}
    troubles = [status(503), status(429, headers={"Retry-After": "7"}), garbage()]
    with register.in_the_mood(moods(*troubles, status(200, page))):
        assert list(source.pages()) == [(0, [])]
    assert waited == [WAITS[0], 7.0, WAITS[2]]


@pytest.mark.parametrize("told", ["99999", "Wed, 21 Oct 2026 07:28:00 GMT", "-1"])
def test_a_source_does_not_keep_us_waiting_for_ever(register, source, waited, told):
    mood = status(503, headers={"Retry-After": told})
    with register.in_the_mood(mood), pytest.raises(SourceFailed):
        next(source.pages())
    assert max(waited) <= LONGEST_WAIT
    assert len(waited) == len(WAITS)


def test_a_source_that_stays_down_is_given_up_in_one_line(register, source, waited):
    with register.in_the_mood(status(502)), pytest.raises(SourceFailed) as failed:
        next(source.pages())
    assert str(failed.value) == f"{register.api_root}: it answers 502, 6 times in a row"
    assert waited == list(WAITS)


def test_a_source_that_is_not_there_is_given_up(register, source, waited):
    register.down()
    with pytest.raises(SourceFailed, match="6 times in a row"):
        next(source.pages())
    register.up()


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_token_that_is_refused_is_told_of_at_once(register, source, waited, refusal):
    with register.in_the_mood(status(refusal)), pytest.raises(SourceFailed) as failed:
        next(source.pages())
    assert "klanten.lezen" in str(failed.value)
    assert SECRET not in str(failed.value)
    assert waited == []


@pytest.mark.parametrize(
    "mood",
    [
        status(404),
        status(301),
        status(200, []),
        status(200, {"results": {}}),
        status(200),
        garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>"),
    ],
)
def test_what_is_no_list_of_klanten_is_told_of_at_once(register, source, waited, mood):
    with register.in_the_mood(mood), pytest.raises(SourceFailed):
        next(source.pages())
    assert waited == []


def test_a_klant_is_asked_for_by_its_uuid(register, source):
    with register.in_the_mood(status(200, {"achternaam": "Vries"})):
        assert source.klant(UUID) == {"achternaam": "Vries"}
    assert register.asked[-1].path == f"/api/v1/klanten/{UUID}"


@pytest.mark.parametrize("gone", [404, 410])
def test_a_klant_that_is_gone_is_none(register, source, gone):
    with register.in_the_mood(status(gone)):
        assert source.klant(UUID) is None
        assert source.audittrail(UUID) == []


def test_an_audittrail_is_a_list(register, source):
    with register.in_the_mood(status(200, [{"uuid": UUID}])):
        assert source.audittrail(UUID) == [{"uuid": UUID}]


class Trails(Register):
    """A register whose audittrails are all that a mood makes of them."""

    def __init__(self):
        super().__init__()
        self.trail = status(200, [])
        self.asked_for_trails = 0

    def hear(self, asked, handler):
        if asked.path.endswith("/audittrail"):
            self.asked_for_trails += 1
            self.trail(handler)
        else:
            super().hear(asked, handler)


@pytest.fixture
def trails():
    with Trails() as trails:
        yield trails


@pytest.fixture
def source_of_trails(trails, waited):
    service = Service(trails.api_root, CLIENT_ID, SECRET, 5.0)
    with closing(Door()) as door:
        yield Source(door, service, waited.append)


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        (status(503), "it answers 503"),
        (status(400), "it answers 400"),
        (status(200, {}), "this is no audittrail"),
        (garbage(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>"), "the answer is no JSON"),
    ],
)
def test_an_audittrail_that_can_not_be_had_is_no_failure_of_the_source(
    trails, source_of_trails, mood, told
):
    trails.trail = mood
    with pytest.raises(TrailFailed) as failed:
        source_of_trails.audittrail(UUID)
    assert str(failed.value) == f"{trails.api_root}: {told}"


def test_after_an_audittrail_that_can_not_be_had_others_cost_no_waits(
    trails, source_of_trails, waited
):
    # once more each, after the source was seen to answer
    for mood, times in [(503, 6 + 1), (503, 1 + 1), (404, 1), (503, 1 + 1)]:
        before, trails.trail = trails.asked_for_trails, status(mood)
        with contextlib.suppress(TrailFailed):
            source_of_trails.audittrail(UUID)
        assert trails.asked_for_trails - before == times
    assert waited == [*WAITS]


def test_a_source_that_is_down_fails_while_an_audittrail_is_asked_for(register, source):
    with register.in_the_mood(status(503)), pytest.raises(SourceFailed, match="503"):
        source.audittrail(UUID)


def test_a_source_that_gives_the_same_page_again_is_told_of(register, source):
    page = {"count": 2, "next": f"{register.api_root}/klanten?page=2", "results": ["a", "b"]}
    with (
        register.in_the_mood(status(200, page)),
        pytest.raises(SourceFailed, match="page 2 is page 1 once more; "),
    ):
        list(source.pages())


def test_nobody_waits_for_a_source_after_an_end(register):
    service = Service(register.api_root, CLIENT_ID, SECRET, 5.0)
    with closing(Door()) as door, ThreadPoolExecutor() as pool:
        source = Source(door, service)
        register.mood = status(503, headers={"Retry-After": "60"})
        asking = [pool.submit(source.audittrail, UUID) for _ in range(3)]
        while len(register.asked) < 3:
            assert not any(each.done() for each in asking)
        source.stop()
        for each in asking:
            with pytest.raises(SourceFailed):
                each.result(timeout=30)


@pytest.mark.parametrize("refusal", [401, 403])
def test_an_audittrail_that_we_may_not_read_is_no_failure(register, source, refusal):
    with register.in_the_mood(status(refusal)), pytest.raises(TrailRefused):
        source.audittrail(UUID)


def test_a_ready_token_is_sent_as_it_is(register):
    service = TokenService(register.api_root, "", "", 5.0, ready_token="ready.made.token")
    assert "ready.made.token" not in repr(service)
    with closing(Door()) as door, register.in_the_mood(status(200, [])):
        Source(door, service).audittrail(UUID)
    assert register.asked[-1].headers["Authorization"] == "Bearer ready.made.token"
