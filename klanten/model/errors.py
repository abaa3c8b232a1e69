"""Rules of the model that were broken, in the model's own words; HTTP is somebody else's affair."""


class KlantUnknown(LookupError):
    """There is no klant with this uuid."""


class RegelUnknown(LookupError):
    """The audittrail of this klant has no such line, or no line at all."""


class KlantnummerInUse(ValueError):
    """Another klant of this bronorganisatie has this klantnummer (kla-001)."""


class SubjectMissing(ValueError):
    """A new klant names neither a subject nor anything that identifies one."""


class DatabaseForeign(Exception):
    """The database holds something else than klanten."""


class DatabaseTooNew(Exception):
    """The database was written by a newer release than this one."""


class DatabaseTooOld(Exception):
    """The database waits for evolve steps (`klanten migrate`)."""
