"""The description of a provider as data: endpoint, payload template, placeholders, and rules for responses.

``times_dispatch.settings`` builds a ``provider.Provider`` from a table of ``dispatch.toml`` and gets its problems and
warnings from ``validation``. ``request`` compiles the payload template, and ``client`` turns an HTTP response into an
``Outcome`` with ``responses.ResponseReader``.
Terms are explained in docs/glossary.md.
"""
