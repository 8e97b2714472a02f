"""What moves by itself on the pages: readings of the ledger that viewers share, sent as server-sent events.

A *subject* is what viewers look at together: the page Now, or one campaign. Each subject has one reader while somebody
looks at it, so that a hundred viewers cost the ledger what one viewer costs. A page has *pieces*; an event has the name
of a piece, and is sent only when the piece has changed. Terms: docs/glossary.md.
"""
