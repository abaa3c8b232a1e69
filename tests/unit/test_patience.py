"""Who cuts the line to a server that says nothing more, and when."""

import threading
import time

from klanten.patience import Watch, is_overdue

PATIENCE = 60
"""Only so that a test that goes wrong ends."""


def test_a_line_is_cut_when_somebody_waits_for_too_long():
    cut = threading.Event()
    watch = Watch(0.01, cut.set)
    with watch.until(time.monotonic()):
        assert cut.wait(PATIENCE)


def test_a_line_is_cut_again_while_somebody_still_waits():
    twice = threading.Event()
    cuts = []

    def cut() -> None:
        cuts.append(1)
        if len(cuts) == 2:
            twice.set()

    with Watch(0.01, cut).until(time.monotonic()):
        assert twice.wait(PATIENCE)


def test_nobody_is_cut_in_time():
    cuts = []
    watch = Watch(0.01, lambda: cuts.append(1))
    with watch.until(time.monotonic() + PATIENCE):
        looked(watch)
    assert not cuts


def test_who_is_done_is_not_waited_for_and_the_watch_ends():
    cuts = []
    watch = Watch(0.01, lambda: cuts.append(1))
    with watch.until(time.monotonic() + PATIENCE):
        looked(watch)
        watcher = next(each for each in threading.enumerate() if each.name == "patience")
    watcher.join(PATIENCE)
    assert not watcher.is_alive()
    assert not cuts
    with watch.until(time.monotonic()):
        looked(watch)


def looked(watch: Watch) -> None:
    """Wait until the watch has looked at least once."""
    deadlines = watch._deadlines
    seen = threading.Event()

    class Observed(dict[object, float]):
        def values(self):  # type: ignore[override]
            seen.set()
            return super().values()

    watch._deadlines = Observed(deadlines)
    assert seen.wait(PATIENCE)


def test_a_thread_knows_that_its_time_is_up():
    watch = Watch(PATIENCE, lambda: None)
    assert not is_overdue()
    with watch.until(time.monotonic() + PATIENCE):
        assert not is_overdue()
    with watch.until(time.monotonic() - 1):
        assert is_overdue()
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(is_overdue()))
        thread.start()
        thread.join()
        assert elsewhere == [False]
    assert not is_overdue()
