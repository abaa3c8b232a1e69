"""The top of the stored tree: the only place where klanten come, change and go.

Uniqueness, indexes, audittrail and outbox are changed together here and nowhere else, so that a
klant can never be in one of them and not in another.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from .audittrail import Audittrail, Bewerking
from .catalog import Catalog, Pause, go_on
from .documents import Documents
from .errors import DatabaseForeign, KlantnummerInUse, KlantUnknown, SubjectMissing
from .fields import index_entries
from .klant import Body, Klant, changed_body, names_subject, new_body
from .organisatie import Organisatie
from .outbox import Outbox
from .postings import Selection
from .sharded import Sharded

SCHEMA_VERSION = 1
"""Version of the stored shapes; a higher one needs an evolve step."""

PAUSE_AFTER = 2_000
"""Klanten that are stored between two pauses."""


class Root(Persistent):
    """bronorganisatie -> klantnummer -> Klant, and every other way to the same klanten.

    Writers hold the process-wide write lock (see `klanten.execution`).
    """

    packed = ""
    """When the database was last packed, as ISO 8601; empty when that is not known."""
    secret = b""
    """Keeps what is derived from a klant from telling anything about it; made when it is needed."""

    def __init__(self) -> None:
        self.schema_version = SCHEMA_VERSION
        self.organisaties: OOBTree[str, Organisatie] = OOBTree()
        self.uuids: Sharded[Klant] = Sharded(1024)
        self.documents: Documents[Klant] = Documents()
        self.catalog = Catalog()
        self.outbox = Outbox()

    def find(self, uuid: str) -> Klant:
        """The klant with this uuid, in its canonical spelling. Raises `KlantUnknown`."""
        klant = self.uuids.get(uuid)
        if klant is None:
            raise KlantUnknown(uuid)
        return klant

    def numbered(self, bronorganisatie: str, klantnummer: str) -> Klant | None:
        """The klant of an organisation that has this number, if there is one."""
        organisatie: Organisatie | None = self.organisaties.get(bronorganisatie)
        return None if organisatie is None else organisatie.get(klantnummer)

    def search(self, filters: Mapping[str, str]) -> Selection:
        """The klanten that have all these values; all of them without filters."""
        return self.catalog.search(filters)

    def fetch(self, docids: Iterable[int]) -> list[Klant]:
        """The klanten behind a part of a selection."""
        return self.documents.fetch(docids)

    def create(self, sent: Mapping[str, Any], bewerking: Bewerking) -> Klant:
        """Add a klant of these fields, checked and cleaned; one without a number is given one.

        Raises `KlantnummerInUse` (kla-001), then `SubjectMissing`.
        """
        body = new_body(sent)
        self._organisatie(body["bronorganisatie"]).refuse_used(body["klantnummer"])
        if not names_subject(body):
            raise SubjectMissing
        return self.add(str(uuid4()), body, bewerking)

    def add(self, uuid: str, body: Body, bewerking: Bewerking) -> Klant:
        """Add a klant that comes from another register: with its uuid, and as it was there.

        An update may have left it without a subject. One without a number is given one.
        Raises `KlantnummerInUse` (kla-001), and ValueError when there is a klant of this uuid.
        """
        [klant] = self.add_all([(uuid, body)], bewerking)
        return klant

    def add_all(
        self, new: Iterable[tuple[str, Body]], bewerking: Bewerking, pause: Pause = go_on
    ) -> list[Klant]:
        """Add many klanten, each as `add` does, and then meet each leaf of the maps once.

        With klant after klant nearly all leaves of a large database would be met again and again.
        What is raised in the middle leaves a part behind: abort the transaction.
        """
        by_uuid: dict[str, Klant] = {}
        by_number: defaultdict[str, dict[str, Klant]] = defaultdict(dict)
        entries: dict[int, dict[str, str]] = {}
        for count, (uuid, body) in enumerate(new, 1):
            klant = self._stored(uuid, body)
            self._record(klant, bewerking, None, body)
            if by_uuid.setdefault(uuid, klant) is not klant:
                raise ValueError(f"there are two klanten {uuid}")
            numbered = by_number[body["bronorganisatie"]]
            if numbered.setdefault(body["klantnummer"], klant) is not klant:
                raise KlantnummerInUse(body["klantnummer"])
            entries[klant.docid] = index_entries(body)
            if count % PAUSE_AFTER == 0:
                pause()
        self.uuids.update(by_uuid)
        for bronorganisatie, klanten in by_number.items():
            self._organisatie(bronorganisatie).update(klanten)
        self.catalog.add_all(entries, pause)
        return list(by_uuid.values())

    def change(self, klant: Klant, sent: Mapping[str, Any], bewerking: Bewerking) -> None:
        """Merge these fields, checked and cleaned, into a klant.

        Raises `KlantnummerInUse` when its new place is taken (kla-001).
        """
        self.replace(klant, changed_body(klant.body, sent), bewerking)

    def replace(self, klant: Klant, new: Body, bewerking: Bewerking) -> None:
        """Give a klant another body.

        Raises `KlantnummerInUse` when its new place is taken (kla-001).
        """
        old = klant.body
        self._move(klant, old, new)
        klant.body = new
        self.catalog.change(klant.docid, index_entries(old), index_entries(new))
        self._record(klant, bewerking, old, new)

    def remove(self, klant: Klant, bewerking: Bewerking) -> None:
        """Take a klant out of everything, its audittrail along with it."""
        body = klant.body
        del self.organisaties[body["bronorganisatie"]][body["klantnummer"]]
        del self.uuids[klant.uuid]
        self.documents.remove(klant.docid)
        self.catalog.remove(klant.docid, index_entries(body))
        klant.clear()
        klant.version += 1
        self._tell(klant, body, bewerking)

    def _stored(self, uuid: str, body: Body) -> Klant:
        """A new klant, stored and not yet found by anything; a missing number is filled in."""
        if uuid in self.uuids:
            raise ValueError(f"there is a klant {uuid} already")
        organisatie = self._organisatie(body["bronorganisatie"])
        organisatie.refuse_used(body["klantnummer"])
        body["klantnummer"] = body["klantnummer"] or organisatie.free_klantnummer()
        klant = Klant(uuid, body)
        klant.docid = self.documents.add(klant)
        return klant

    def _organisatie(self, bronorganisatie: str) -> Organisatie:
        organisatie: Organisatie | None = self.organisaties.get(bronorganisatie)
        if organisatie is None:
            organisatie = self.organisaties[bronorganisatie] = Organisatie()
        return organisatie

    def _move(self, klant: Klant, old: Body, new: Body) -> None:
        there, here = ((body["bronorganisatie"], body["klantnummer"]) for body in (new, old))
        if there != here:
            self._organisatie(there[0]).add(there[1], klant)
            del self.organisaties[here[0]][here[1]]

    def _record(self, klant: Klant, bewerking: Bewerking, old: Body | None, new: Body) -> None:
        klant.version += 1
        Audittrail(klant).append(bewerking, old, new)
        self._tell(klant, new, bewerking)

    def _tell(self, klant: Klant, body: Body, bewerking: Bewerking) -> None:
        if bewerking.notify:
            self.outbox.put(klant, body, bewerking)


def bootstrap(zodb_root: Any) -> Root:
    """The Root below the root object of a ZODB connection; made when that is empty.

    Raises `DatabaseForeign`.
    """
    root = stored_root(zodb_root)
    if root is None:
        root = zodb_root["klanten"] = Root()
    return root


def stored_root(zodb_root: Any) -> Root | None:
    """The Root below the root object of a ZODB connection; None in an empty database.

    Raises `DatabaseForeign` when something else is there.
    """
    if not zodb_root:
        return None
    root = zodb_root.get("klanten")
    if not isinstance(root, Root):
        raise DatabaseForeign(
            "the database holds something else than klanten; name another one, or restore a "
            "backup if it is damaged"
        )
    return root
