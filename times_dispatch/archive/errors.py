"""The errors of the archive.

ArchiveError
├── ArchiveUnavailable  the folder cannot be reached, or a package is missing
├── ArchiveKeyMissing   the key that opens the archive is not given, or is another key
├── ArchiveErased       the key of the archive is destroyed
├── ArchiveDamaged      a file of the archive is missing, changed or cut
└── ForgettingUnfinished  a number cannot be forgotten wholly yet
"""


class ArchiveError(Exception):
    """An archive cannot be written or read."""


class ArchiveUnavailable(ArchiveError):
    """The folder of the archive cannot be reached."""


class ArchiveKeyMissing(ArchiveError):
    """This process lacks the key that opens an archive."""


class ArchiveErased(ArchiveError):
    """The key of an archive is destroyed: nobody can read the messages any more."""


class ArchiveDamaged(ArchiveError):
    """A file of an archive is missing, was changed or was cut."""


class ForgettingUnfinished(ArchiveError):
    """A number gets no message any more, and some of its data is still needed for a short time."""
