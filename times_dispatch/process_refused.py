"""The error that ends a process because of a condition that waiting cannot change."""


class ProcessRefused(Exception):
    """This process must not go on; the message is one line with the remedy. The process ends with exit code 2."""


REFUSED_EXIT_CODE = 2
"""The exit code of a refused process; the same as after mistakes in the settings."""
