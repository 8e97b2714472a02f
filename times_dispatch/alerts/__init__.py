"""The process that tells people what is wrong, by e-mail, Slack, Teams, Telegram, webhooks and more (apprise).

``observation`` reads the ledger, ``conditions`` says which conditions hold and what happened, ``decisions`` decides
which alerts begin and end and whom to tell, ``messages`` writes the words, ``targets`` sends them, and ``service`` runs
these steps again and again. The ledger keeps every decision (``ledger/alerts.py``), so that several processes, and
restarts, tell nobody twice. The process ``python -m times_dispatch.alerts`` and ``dispatch alerts`` use this package.

Terms: docs/glossary.md.
"""
