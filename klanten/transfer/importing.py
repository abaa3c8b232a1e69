"""Klanten that come from a file.

A run commits batch by batch. Lines whose klant is there already are passed over, so a run that was
interrupted is simply run again.
"""

import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from uuid import UUID, uuid4

import orjson

from ..model.audittrail import Actie, Bewerking
from ..model.errors import KlantnummerInUse
from ..model.fields import IDENTIFICATIE, KLANT, Field
from ..model.klant import Body, Klant, changed_body, names_subject, new_body
from ..model.root import Root
from ..schemas.faults import NON_FIELD_ERRORS, Fault, ValidationFailed
from .batches import batches
from .lines import Candidate, Checker, Line, Reject
from .transactions import Transactions, in_parts

BATCH = 50_000
"""Lines in a transaction: each rewrites every leaf of an index that it touches, and since values
are spread over all leaves, small ones would write nearly everything again and again. It takes up
to 0.8 GB of memory, whatever the length of the file."""

CHANGES_PER_PAUSE = 1_000

IN_USE = Fault(
    NON_FIELD_ERRORS,
    "unique",
    "Een andere klant van deze bronorganisatie heeft dit klantnummer al.",
)
NO_SUBJECT = Fault(
    NON_FIELD_ERRORS,
    "invalid-subject",
    "Een nieuwe klant zonder uuid moet een subject of subjectIdentificatie hebben.",
)


@dataclass
class Summary:
    """What became of the lines."""

    read: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    rejected: int = 0


@dataclass
class Outcome:
    """What came of the lines of a batch, to be counted when it is committed."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Import:
    """A run of `klanten import`.

    Args:
        transactions: where the klanten go.
        checker: says what is right.
        bewerking: what the audittrail tells of each klant; its moment is that of the batch.
        update: bring klanten that are there up to date, instead of passing them over.
        reject: is told what is wrong with a line.
        ahead: as `map`, but may check several lines at a time.
    """

    def __init__(
        self,
        transactions: Transactions,
        checker: Checker,
        bewerking: Bewerking,
        *,
        update: bool,
        reject: Callable[[Reject], None],
        ahead: Callable[..., Iterable[Candidate | list[Reject]]] = map,
    ) -> None:
        self.transactions = transactions
        self.checker = checker
        self.bewerking = bewerking
        self.update = update
        self.reject = reject
        self.ahead = ahead
        self.summary = Summary()

    def run(self, lines: Iterable[Line]) -> Iterator[int]:
        """Take in the lines; yields after each batch how many were read."""
        for batch in batches(lines, BATCH):
            candidates, rejects = self._checked(batch)
            for outcome in in_parts(self._attempt, candidates):
                self._count(outcome)
                rejects += outcome.rejects
            self._tell_of(rejects)
            self.summary.read += len(batch)
            yield self.summary.read

    def _checked(self, lines: Iterable[Line]) -> tuple[list[Candidate], list[Reject]]:
        """With no transaction open, since other servers may be asked for subjects."""
        candidates: list[Candidate] = []
        rejects: list[Reject] = []
        for checked in self.ahead(self.checker.check, lines):
            if isinstance(checked, Candidate):
                candidates.append(checked)
            else:
                rejects.extend(checked)
        return candidates, rejects

    def _attempt(self, candidates: list[Candidate]) -> Outcome:
        bewerking = replace(self.bewerking, moment=datetime.now(UTC))
        with self.transactions.one() as tree:
            batch = Batch(tree, bewerking, self.transactions.pause)
            for candidate in candidates:
                self._take(batch, candidate)
            batch.flush()
        return batch.outcome

    def _take(self, batch: "Batch", candidate: Candidate) -> None:
        if not self.update and batch.awaits(candidate):
            batch.outcome.skipped += 1
            return
        try:
            klant = batch.known(candidate)
            if klant is None:
                batch.create(candidate)
            elif self.update:
                sent = self.checker.changes(candidate, klant.body["subjectType"])
                batch.change(klant, sent)
            else:
                batch.outcome.skipped += 1
        except ValidationFailed as failed:
            batch.outcome.rejects += [Reject(candidate.number, fault) for fault in failed.faults]

    def _count(self, outcome: Outcome) -> None:
        self.summary.created += outcome.created
        self.summary.updated += outcome.updated
        self.summary.skipped += outcome.skipped

    def _tell_of(self, rejects: list[Reject]) -> None:
        for reject in sorted(rejects, key=attrgetter("number")):
            self.reject(reject)
        self.summary.rejected += len({reject.number for reject in rejects})


class Batch:
    """The changes of one transaction. New klanten wait, so that they are stored together."""

    def __init__(self, tree: Root, bewerking: Bewerking, pause: Callable[[], None]) -> None:
        self.tree = tree
        self.bewerking = bewerking
        self.pause = pause
        self.outcome = Outcome()
        self._new: dict[str, Body] = {}
        self._numbers: set[tuple[str, str]] = set()

    def awaits(self, candidate: Candidate) -> bool:
        """Whether the klant of this line is one of those that wait."""
        return self._uuid(candidate) in self._new or _place(candidate.sent) in self._numbers

    def known(self, candidate: Candidate) -> Klant | None:
        """The klant of this line, if there is one: by its uuid, else by its number."""
        if self.awaits(candidate):
            self.flush()
        place = _place(candidate.sent)
        found = self.tree.uuids.get(self._uuid(candidate))
        return found or (self.tree.numbered(*place) if place else None)

    def create(self, candidate: Candidate) -> None:
        """Add a klant. Raises `ValidationFailed`.

        One with a uuid was a klant elsewhere, where an update may have left it without a subject.
        """
        if candidate.uuid is None and not names_subject(new_body(candidate.sent)):
            raise ValidationFailed([NO_SUBJECT])
        self._new[self._uuid(candidate) or str(uuid4())] = candidate.sent
        if place := _place(candidate.sent):
            self._numbers.add(place)
        self.outcome.created += 1

    def change(self, klant: Klant, sent: Body) -> None:
        """Bring a klant up to date, unless it is. Raises `ValidationFailed`."""
        stored = klant.body
        body = updated_body(stored, sent)
        if body == stored:
            self.outcome.skipped += 1
            return
        try:
            self.tree.replace(klant, body, replace(self.bewerking, actie=Actie.UPDATE))
        except KlantnummerInUse:
            raise ValidationFailed([IN_USE]) from None
        self.outcome.updated += 1
        if self.outcome.updated % CHANGES_PER_PAUSE == 0:
            self.pause()

    def flush(self) -> None:
        """Store the klanten that wait."""
        new = ((uuid, new_body(sent)) for uuid, sent in self._new.items())
        self.tree.add_all(new, self.bewerking, self.pause)
        self._new.clear()
        self._numbers.clear()

    def _uuid(self, candidate: Candidate) -> str:
        """The uuid of a line; "" when its number alone says which klant it is."""
        if candidate.uuid is None and not candidate.sent.get("klantnummer"):
            return uuid_of_content(self.tree, candidate.sent)
        return candidate.uuid or ""


def uuid_of_content(tree: Root, sent: Body) -> str:
    """The uuid for a klant without any name: the same one whenever the same line is read.

    So a second run finds it. It is made with a secret of the database, since anybody could make
    a plain digest of each possible BSN, and see which one it is.
    """
    if not tree.secret:
        tree.secret = secrets.token_bytes(32)
    content = orjson.dumps(sent, option=orjson.OPT_SORT_KEYS)
    return str(UUID(bytes=hmac.digest(tree.secret, content, "sha256")[:16], version=4))


def updated_body(stored: Body, sent: Body) -> Body:
    """The body after an update by a line: as after PUT, but null takes a nested object away."""
    body = changed_body(stored, sent)
    identity = IDENTIFICATIE.get(stored["subjectType"] or "")
    return _without_nulls((*KLANT, identity) if identity else KLANT, body, sent)


def _without_nulls(fields: Iterable[Field], body: Body, sent: Body) -> Body:
    nested = [field for field in fields if field.fields and field.name in sent]
    return body | {
        field.name: sent[field.name]
        and _without_nulls(field.fields, body[field.name], sent[field.name])
        for field in nested
        if sent[field.name] != {}
    }


def _place(sent: Body) -> tuple[str, str] | None:
    number = sent.get("klantnummer")
    return (sent["bronorganisatie"], number) if number else None
