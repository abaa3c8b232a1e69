"""Taking over the klanten of another Klanten API, with their uuids and audittrails.

A run reads all pages, and takes over what is not here yet or is different. What it finds the same
it leaves alone: run again, it catches up. At the end it reads all pages once more and compares.

No transaction is open while the source is asked.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from ..model.audittrail import Actie, Audittrail, Bewerking
from ..model.errors import KlantnummerInUse
from ..model.klant import Body, Klant, new_body
from ..model.root import Root
from ..schemas.faults import Fault
from .batches import batches
from .comparing import Comparison
from .foreign import line_of, regel_content, uuid_of
from .importing import IN_USE
from .lines import Candidate, Checker, Reject, unknown_fields
from .source import Source, TrailFailed, TrailRefused
from .transactions import Transactions, in_parts

T = TypeVar("T")
R = TypeVar("R")

APPLICATIE = "klanten copy-from"
"""What the audittrail says who made a change, where that of the source can't be had."""
BATCH = 5_000
AT_A_TIME = 4

NO_REGEL = Fault("audittrail", "invalid", "Een regel van de audittrail is niet te lezen.")
NO_TRAIL = "De audittrail is niet op te halen"


@dataclass
class Summary:
    """What became of the klanten of the source."""

    read: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    rejected: int = 0
    trails: int = 0
    """Audittrails that were taken over."""
    trails_refused: bool = False
    trails_failed: int = 0
    """Audittrails that could not be had; the klanten came without, and a next run asks again."""
    unknown: set[str] = field(default_factory=set)
    """Fields that are no part of the standard, and were left out."""
    vanished: list[str] = field(default_factory=list)
    """The uuids of klanten that are here and no longer there."""
    deleted: int = 0


class Taken(NamedTuple):
    """A klant of the source with its audittrail, which is empty where it can't be had."""

    candidate: Candidate
    trail: list[Body]

    @property
    def uuid(self) -> str:
        return self.candidate.uuid or ""


class Done(Enum):
    """What was done about a klant."""

    CREATED = auto()
    UPDATED = auto()
    SKIPPED = auto()


class Copy:
    """A run of `klanten copy-from`.

    Args:
        transactions: where the klanten go.
        source: where they come from.
        checker: says what is right; it need not ask whether subjects exist.
        reject: is told what can't be taken over.
    """

    def __init__(
        self,
        transactions: Transactions,
        source: Source,
        checker: Checker,
        reject: Callable[[Reject], None],
    ) -> None:
        self.transactions = transactions
        self.source = source
        self.checker = checker
        self.summary = Summary()
        self._reject = reject
        self._rejected: set[int] = set()
        self._seen: set[bytes] = set()
        self._blocked: list[Taken] = []

    def run(self, *, delete: bool) -> Iterator[tuple[int, int]]:
        """Take over everything; yields how many were read, and how many there are.

        With `delete`, klanten that are gone at the source are removed here as well.
        Raises `SourceFailed`.
        """
        items = ((count, item) for count, page in self.source.pages() for item in page)
        for batch in batches(items, BATCH):
            self._take([item for _, item in batch])
            yield self.summary.read, batch[-1][0]
        with self.transactions.one() as tree:
            self.summary.vanished = list(_unseen(tree, self._seen))
        if delete and self.summary.read:  # an empty source is more likely the wrong one
            self._delete_vanished()
        self._place_blocked()

    def compare(self) -> Comparison:
        """Both sides as they are now. Raises `SourceFailed`."""
        comparison = Comparison()
        seen: set[bytes] = set()
        for _, page in self.source.pages():
            expected = [self._expected(item) for item in page]
            seen.update(_key(uuid) for uuid, _ in expected)
            with self.transactions.one() as tree:
                for uuid, body in expected:
                    klant = tree.uuids.get(uuid)
                    comparison.add(uuid, body, klant.body if klant else None)
        with self.transactions.one() as tree:
            for uuid in _unseen(tree, seen):
                comparison.add(uuid, None, tree.find(uuid).body)
        return comparison

    def _expected(self, item: Any) -> tuple[str, Body]:
        """The uuid and body that we should have; the body as it is where we can't have it."""
        line = line_of(0, item)
        checked = self.checker.check(line)
        body = new_body(checked.sent) if isinstance(checked, Candidate) else line.value
        return uuid_of(line), body

    # --- klanten that are there ---------------------------------------------------------------

    def _take(self, items: Iterable[Any]) -> None:
        candidates = list(self._checked(items))
        with self.transactions.one() as tree:
            wanted = [candidate for candidate in candidates if self._is_wanted(tree, candidate)]
        self.summary.skipped += len(candidates) - len(wanted)
        for blocked in in_parts(self._put_all, self._with_trails(wanted)):
            self._blocked += blocked

    def _checked(self, items: Iterable[Any]) -> Iterator[Candidate]:
        for item in items:
            self.summary.read += 1
            line = line_of(self.summary.read, item)
            self._seen.add(_key(uuid_of(line)))
            self.summary.unknown |= unknown_fields(line)
            checked = self.checker.check(line)
            if isinstance(checked, Candidate):
                yield checked
            else:
                self._refuse(*(reject._replace(uuid=uuid_of(line)) for reject in checked))

    def _is_wanted(self, tree: Root, candidate: Candidate) -> bool:
        klant = tree.uuids.get(candidate.uuid or "")
        if klant is None or klant.body != new_body(candidate.sent):
            return True
        # an earlier run could not have its audittrail; perhaps this one can
        return not self.summary.trails_refused and _is_ours(klant)

    def _with_trails(self, candidates: list[Candidate]) -> list[Taken]:
        trails = self._asked(self._trail, candidates)
        return [
            Taken(candidate, list(self._contents(candidate, trail)))
            for candidate, trail in zip(candidates, trails, strict=True)
        ]

    def _asked(self, ask: Callable[[T], R], about: list[T]) -> list[R]:
        """What the source answers to several questions at a time; what ends one ends them all."""
        pool = ThreadPoolExecutor(AT_A_TIME)
        try:
            return list(pool.map(ask, about))
        except BaseException:
            self.source.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _trail(self, candidate: Candidate) -> list[Any] | TrailFailed:
        """The audittrail of the source, or why it can't be had. Raises `SourceFailed`."""
        if self.summary.trails_refused:
            return []
        try:
            return self.source.audittrail(candidate.uuid or "")
        except TrailRefused:
            self.summary.trails_refused = True
            return []
        except TrailFailed as fault:
            return fault

    def _contents(self, candidate: Candidate, trail: list[Any] | TrailFailed) -> Iterator[Body]:
        if isinstance(trail, TrailFailed):
            self.summary.trails_failed += 1
            fault = Fault("audittrail", "unavailable", f"{NO_TRAIL} ({trail}).")
            # told of, though the klant itself is taken
            self._reject(Reject(candidate.number, fault, candidate.uuid or ""))
            return
        for regel in trail:
            if content := regel_content(regel):
                yield content
            else:
                self._refuse(Reject(candidate.number, NO_REGEL, candidate.uuid or ""))

    def _put_all(self, taken: list[Taken]) -> list[Taken]:
        """Store klanten in one transaction; gives back those whose number another klant has."""
        blocked = []
        done = Counter[Done]()
        bewerking = _bewerking(Actie.CREATE)
        with self.transactions.one() as tree:
            for each in taken:
                try:
                    done[_put(tree, each, bewerking)] += 1
                except KlantnummerInUse:
                    blocked.append(each)
        self._count(done)
        self.summary.trails += sum(bool(each.trail) for each in taken) - sum(
            bool(each.trail) for each in blocked
        )
        return blocked

    def _count(self, done: Counter[Done]) -> None:
        self.summary.created += done[Done.CREATED]
        self.summary.updated += done[Done.UPDATED]
        self.summary.skipped += done[Done.SKIPPED]

    def _refuse(self, *rejects: Reject) -> None:
        for reject in rejects:
            self._reject(reject)
            self._rejected.add(reject.number)
        self.summary.rejected = len(self._rejected)

    # --- klanten that are gone, and numbers that they held --------------------------------------

    def _delete_vanished(self) -> None:
        """Remove what is gone; the source is asked, since its pages shift while they are read."""
        suspects, self.summary.vanished = self.summary.vanished, []
        for uuids in batches(suspects, BATCH):
            answers = self._asked(self.source.klant, uuids)
            self._take(item for item in answers if item is not None)
            gone = [uuid for uuid, item in zip(uuids, answers, strict=True) if item is None]
            self.summary.vanished += gone
            self.summary.deleted += sum(in_parts(self._delete_all, gone))

    def _delete_all(self, uuids: list[str]) -> int:
        with self.transactions.one() as tree:
            for uuid in uuids:
                tree.remove(tree.find(uuid), _bewerking(Actie.DESTROY))
        return len(uuids)

    def _place_blocked(self) -> None:
        """Store the klanten whose number was taken, when by now it is free or among them.

        Those that hold each other's numbers get another one first.
        """
        [placed] = in_parts(self._place_all, [self._blocked])
        for each in self._blocked:
            if each.uuid not in placed:
                self._refuse(Reject(each.candidate.number, IN_USE, each.uuid))

    def _place_all(self, blocked: list[list[Taken]]) -> set[str]:
        [taken] = blocked
        with self.transactions.one() as tree:
            taken = _placeable(tree, taken)
            for each in taken:
                _park(tree, each.uuid)
        return {each.uuid for each in taken} - {each.uuid for each in self._put_all(taken)}


def _put(tree: Root, taken: Taken, bewerking: Bewerking) -> Done:
    """Let there be this klant. Raises `KlantnummerInUse`, and then nothing has changed."""
    klant, body = tree.uuids.get(taken.uuid), new_body(taken.candidate.sent)
    done = Done.SKIPPED
    if klant is None:
        klant = tree.add(taken.uuid, body, bewerking)
        done = Done.CREATED
    elif klant.body != body:
        tree.replace(klant, body, _bewerking(Actie.UPDATE))
        done = Done.UPDATED
    if taken.trail:
        Audittrail(klant).replace(taken.trail)
    return done


def _placeable(tree: Root, taken: list[Taken]) -> list[Taken]:
    """Those whose number is free, or held by another of them that will be placed as well."""
    while True:
        uuids = {each.uuid for each in taken}
        left = [each for each in taken if _holder(tree, each) in uuids | {""}]
        if len(left) == len(taken):
            return taken
        taken = left


def _holder(tree: Root, taken: Taken) -> str:
    """The uuid of the klant that has the number of this one; empty when it is free."""
    sent = taken.candidate.sent
    klant = tree.numbered(sent["bronorganisatie"], sent["klantnummer"])
    return klant.uuid if klant else ""


def _park(tree: Root, uuid: str) -> None:
    klant = tree.uuids.get(uuid)
    if klant is not None:
        body = klant.body
        free = tree.organisaties[body["bronorganisatie"]].free_klantnummer()
        tree.replace(klant, body | {"klantnummer": free}, _bewerking(Actie.UPDATE))


def _bewerking(actie: Actie) -> Bewerking:
    return Bewerking(
        actie,
        datetime.now(UTC),
        "",
        applicatie_id=APPLICATIE,
        applicatie_weergave=APPLICATIE,
        notify=False,
    )


def _is_ours(klant: Klant) -> bool:
    """Whether the audittrail was written here, and not taken over."""
    newest = next(Audittrail(klant).newest_first(), None)
    return newest is not None and newest.content["applicatieId"] == APPLICATIE


def _unseen(tree: Root, seen: set[bytes]) -> Iterator[str]:
    return (uuid for uuid in tree.uuids if _key(uuid) not in seen)


def _key(uuid: str) -> bytes:
    """A uuid in little space: there may be a million."""
    return UUID(uuid).bytes if uuid else b""
