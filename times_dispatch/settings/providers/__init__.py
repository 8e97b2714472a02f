"""``[providers.NICKNAME]``: makes each ``Provider`` from its table of ``dispatch.toml`` and the environment.

``tables`` and ``answers`` define the tables. ``builder`` makes a provider from a table and its environment variables,
for ``settings.load``. ``check`` reports problems, warnings and notes of each provider, for ``dispatch provider check``;
``check`` reads a table with mistakes through ``lenient``. Terms are explained in docs/glossary.md.
"""
