"""The error that ends a process for good: nothing that the process can wait for would help."""


class ProcessRefused(Exception):
    """This process may not go on; the message is one line that says what to do. The process ends with 2."""


REFUSED_EXIT_CODE = 2
"""The exit code of a refused process; the same as after mistakes in the settings."""
