"""The server is killed in the middle of its work, again and again."""

from collections.abc import Iterator

from tests.faults.site import Site, any_moment


def test_what_was_acknowledged_survives_a_kill(site: Site, rounds: Iterator[int]):
    for _ in rounds:
        # twice, so that what was recovered once is written and recovered again
        for _ in range(2):
            with site.load.running():
                site.load.wait_for(60)
                any_moment()
                site.kill()
            site.start()
        site.assert_nothing_lost()
    assert site.load.broken
    assert site.load.refused == 0
