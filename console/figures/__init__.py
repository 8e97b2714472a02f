"""Figures of campaigns in the form in which pages show them: funnel, reasons in words, lists, effects of actions.

Views and statistics of the ledger come in, and values for templates go out; the package does not depend on HTTP
requests. Terms: docs/glossary.md.
"""
