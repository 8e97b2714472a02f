"""Compressed bodies without the time of their compression, so that each process names a test's parameters alike."""

import gzip


def gzipped(body: bytes) -> bytes:
    """Return the body as a gzip file whose time is 0."""
    return gzip.compress(body, mtime=0)
