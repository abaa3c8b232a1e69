"""How a backup ends that does not succeed."""


class BackupFailed(Exception):
    """The backup was not made or not put back; the text is one line with the mend."""
