"""The settings of a process: ``dispatch.toml`` and the environment go in, one valid ``Settings`` comes out.

Every process calls ``startup.load_settings_or_exit`` once, at its start; the command line calls ``load``. Both give all
mistakes at once, each with its file, line and path. Nothing outside this package reads the environment or the file.
Terms are explained in docs/glossary.md.
"""
