"""``[providers.NICKNAME]``: from the tables of ``dispatch.toml`` and the environment to ``Provider``.

``tables`` and ``answers`` are the tables. ``builder`` makes a provider from a table and its environment variables, for
``settings.load``. ``check`` reports everything about each provider, for ``dispatch provider check``; it reads a table
with mistakes through ``lenient``.
Terms are explained in docs/glossary.md.
"""
