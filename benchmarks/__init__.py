"""The benchmarks: ``python -m benchmarks`` runs all of them, ``python -m benchmarks NAME…`` runs some.

Each module with a function ``figures`` measures one thing. ``rig`` is the stack of real processes, ``nginx`` and
``slow_provider`` are the provider, and ``baseline_celery`` and ``baseline_http`` are what we are compared with, in the
same run and on the same server. README.md says what each figure means. Terms: docs/glossary.md.
"""
