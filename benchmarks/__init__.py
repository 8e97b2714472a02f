"""What we measure, and against whom: ``python -m benchmarks`` runs all of it, ``python -m benchmarks NAME…`` some.

Each module beside the ones named here measures one thing and returns ``figures``. ``house`` is a stack of real
processes, ``nginx`` and ``slow_provider`` stand in for the provider, ``baseline_celery`` and ``baseline_http`` are run
in turn with us, on the same server. What each figure means is in README.md.
"""
