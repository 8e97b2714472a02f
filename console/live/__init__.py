"""Live updates of the pages: readings of the ledger that viewers share, sent as server-sent events.

A *subject* is a page that viewers follow together: the page Now, or the page of one campaign. Each subject has one
reader while somebody follows it, so that a hundred viewers cost the ledger no more than one viewer. A page has
*pieces*; an event has the name of a piece, and is sent only when the piece has changed. Terms: docs/glossary.md.
"""
