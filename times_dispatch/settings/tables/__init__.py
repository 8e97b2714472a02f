"""The tables of ``dispatch.toml``, one module for each; ``model`` puts them together into ``Settings``.

Terms are explained in docs/glossary.md.
"""
