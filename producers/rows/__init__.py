"""Rows of a recipients file go in, chunk by chunk; messages that can be sent and refused rows with reasons come out.

Read ``checker`` first: its ``RowChecker`` uses the other modules. ``numbers`` normalises phone numbers and finds
duplicates, ``slots`` and ``variables`` make the values of a template's slots, ``whitelists`` checks links and callback
numbers, ``parts`` counts SMS parts, ``refusals`` lists the reasons, and ``rejects_file`` writes the refused rows.
``producers.draft`` runs a checker over a whole file. Terms are explained in docs/glossary.md.
"""
