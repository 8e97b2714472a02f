"""A campaign file and a recipients file go in; a checked, batched and sealed campaign in the ledger comes out.

Read ``draft`` and ``submit`` first. ``campaign`` has the campaign file, ``recipients`` the formats of recipients files,
``rows`` the checks of each row, ``preflight`` the report of ``dispatch check``, and ``registry`` the import of
registered templates. ``resend`` makes new campaigns of earlier ones, and ``export`` writes a row for each message.
``cli`` is the ``dispatch`` command line, a thin layer over all of these. The console imports modules of this package,
but not ``cli``; workers and callbacks import none. Terms are explained in docs/glossary.md.
"""
