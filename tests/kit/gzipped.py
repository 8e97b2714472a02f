"""Compressed bodies without the time of their compression, so that each process names a test's parameters alike."""

import gzip


def gzipped(body: bytes, level: int = 9) -> bytes:
    """Return the body as a gzip file whose time is 0; a low level compresses a large body in less time."""
    return gzip.compress(body, level, mtime=0)
