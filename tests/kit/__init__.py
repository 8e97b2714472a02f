"""Fakes, test rigs and data that tests of several folders share. Fixtures are in the ``conftest.py`` of each folder."""
