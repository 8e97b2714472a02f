"""Tracked links: short links in texts, which need no storage because their code names the message.

``codes`` makes a code from a campaign's number, a message's index and the number of the link, and reads codes.
``filler`` puts the codes into a message's values when a worker renders the message. ``targets`` composes the address to
which a click is redirected. Producers check links, workers fill codes into links, and the links process
(``callbacks.links``) answers clicks. docs/links.md explains tracked links, and docs/glossary.md the terms.
"""
