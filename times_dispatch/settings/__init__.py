"""The settings of a process: reads ``dispatch.toml`` and the environment into one valid ``Settings``.

Every process calls ``startup.load_settings_or_exit`` once, at its start; the command line calls ``load``. Both report
all mistakes together, each with its file, line and path. No code outside this package reads the environment or the
file. Terms are explained in docs/glossary.md.
"""
