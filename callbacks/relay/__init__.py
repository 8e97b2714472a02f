"""Posts reports to other systems: rows of another system of the account, and copies of the reports about our messages.

The reconciler puts both into queues in Redis, and runs the two posters beside its own work, so that a slow or dead host
delays no report. ``foreign_relay`` posts bodies with rows that are not ours, in their original bytes and in any order.
``forwarder`` posts a copy of each report and click of our messages, in the provider's format (docs/domain.md section
3) and in order for each message, from the queue in ``forward_queue``. Both post with ``relay_poster``, and name
themselves in the header Via (``via``), so that no body is posted in an endless loop. Terms: docs/glossary.md.
"""
