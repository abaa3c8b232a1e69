"""Questions that may take long, asked now and then for whoever wants to know."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """What a question was answered at most `age` seconds ago.

    It is asked once at a time, in a thread of its own: when the answer never comes, one thread
    hangs and no other.
    """

    def __init__(self, ask: Callable[[], T], age: float) -> None:
        self._ask = ask
        self._age = age
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None
        self._asked = 0.0

    def get(self, patience: float) -> T:
        """The answer, within so many seconds since it was asked for.

        Raises TimeoutError when there is none by then, and whatever the asking raised.
        """
        with self._lock:
            if self._answer is None or self._is_old(self._answer):
                self._answer = self._ask_again()
            answer, end = self._answer, self._asked + patience
        return answer.result(max(0.0, end - time.monotonic()))

    def _is_old(self, answer: Future[T]) -> bool:
        return answer.done() and time.monotonic() - self._asked > self._age

    def _ask_again(self) -> Future[T]:
        answer: Future[T] = Future()
        self._asked = time.monotonic()
        threading.Thread(target=self._work, args=(answer,), name="question", daemon=True).start()
        return answer

    def _work(self, answer: Future[T]) -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as failure:
            answer.set_exception(failure)
