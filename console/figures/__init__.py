"""Figures of campaigns in the form in which pages show them: funnel, reasons in words, lists, effects of actions.

Views and statistics of the ledger come in, and values for templates go out; nothing here knows of requests. Terms:
docs/glossary.md.
"""
