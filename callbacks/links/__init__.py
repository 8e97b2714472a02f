"""Answers clicks on tracked links: ``python -m callbacks.links``, or the receiver if ``[links] with_receiver`` says so.

``application`` is the ASGI application. It reads the code in a path (``times_dispatch.links``), finds the campaign and
the values of the recipient's row (``directory``), distinguishes people and programs (``visitors``), stores the click
in the stream ``reports`` and then answers 302. The reconciler applies a stored click like a report of the provider.
``pages`` holds the pages for people whose link is unknown or expired, or who want to opt out. docs/links.md explains
tracked links, and docs/glossary.md the terms.
"""
