"""The threads that answer requests, and one for each path by which the service is watched."""

from typing import Any, Final

from waitress.task import ThreadedTaskDispatcher

WATCHED: Final = ("/healthz", "/readyz", "/metrics")


class Threads(ThreadedTaskDispatcher):
    """Threads for the requests, which may all be waiting for somebody: a database, a subject.

    Whoever watches the service should see just then how it is, and not wait behind them.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._watching = {path: ThreadedTaskDispatcher() for path in WATCHED}
        for watching in self._watching.values():
            watching.set_thread_count(1)
        self.set_thread_count(count)

    def add_task(self, task: Any) -> None:
        """Have the next request of a `Connection` answered."""
        watching = self._watching.get(task.reads)
        if watching is None:
            super().add_task(task)
        else:
            watching.add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        """Let each thread end after what it does, and wait so many seconds for that."""
        for watching in self._watching.values():
            watching.set_thread_count(0)
        ended: bool = super().shutdown(cancel_pending, timeout)
        return ended
