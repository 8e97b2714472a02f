"""The process that notifies people of alerts, by e-mail, Slack, Teams, Telegram, webhooks and more (apprise).

``observation`` reads the ledger, ``conditions`` finds the conditions that hold and the events, ``decisions`` decides
which alerts begin and end and which targets to notify, ``messages`` writes the messages, ``targets`` sends the
messages, and ``service`` repeats these steps. The ledger keeps every decision (``ledger/monitoring/alerts.py``), so
that neither several processes nor a restart notify a target twice. The process ``python -m times_dispatch.alerts`` and
``dispatch alerts`` use this package.

Terms: docs/glossary.md.
"""
