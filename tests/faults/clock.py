"""`pserve` with a clock that is wrong by as many seconds as stand in a file at that moment.

    python clock.py FILE production.ini

The system has one clock for all; here it is set for one process, where Python asks for the time.
The monotonic clock goes on as it does in reality.
"""

import datetime
import runpy
import sys
import time
from pathlib import Path
from typing import Any

_now = time.time
_moment = datetime.datetime


def off_by() -> float:
    return float(OFF_BY.read_text())


def wrong_time() -> float:
    return _now() + off_by()


def parts_of(convert: Any) -> Any:
    """`gmtime` or `localtime`, which take the time of now when they are given none."""
    return lambda seconds=None: convert(wrong_time() if seconds is None else seconds)


class WrongMoment(_moment):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _moment.now(tz) + datetime.timedelta(seconds=off_by())


if __name__ == "__main__":
    OFF_BY = Path(sys.argv.pop(1))
    time.time = wrong_time
    time.gmtime, time.localtime = parts_of(time.gmtime), parts_of(time.localtime)
    datetime.datetime = WrongMoment  # type: ignore[misc]
    pserve = Path(sys.executable).with_name("pserve")
    sys.argv[0] = str(pserve)
    runpy.run_path(str(pserve), run_name="__main__")
