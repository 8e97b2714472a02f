"""An SMS provider's HTTP API, described by data; Times Mobile is the preset.

``client.Client`` takes a ``push.Push`` (one rendered message) and returns an ``outcomes.Outcome``: accepted, rejected,
not sent, or in doubt. ``reports.reports.parse`` takes the body of a posted delivery report and returns its events.
Workers push through ``client``, the callback receiver and the reconciler read ``reports``, the commands ``dispatch
provider`` and ``dispatch send-test`` use ``diagnostics``. This package does not depend on the ledger, on Celery or on
the rules of Indian SMS. The terms are explained in docs/glossary.md.
"""
