"""The benchmarks: ``python -m benchmarks`` runs all benchmarks, ``python -m benchmarks NAME…`` runs some.

Each module with a function ``figures`` is one benchmark. ``rig`` is the stack of real processes, ``nginx`` and
``slow_provider`` are the provider, and ``baseline_celery`` and ``baseline_http`` are the baselines, which run in the
same run and on the same server. README.md explains each figure. Terms: docs/glossary.md.
"""
