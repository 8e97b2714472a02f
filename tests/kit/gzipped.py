"""Compressed bodies without a timestamp, so that each process gives the same ids to a test's parameters."""

import gzip


def gzipped(body: bytes, level: int = 9) -> bytes:
    """Return the body as a gzip file whose time is 0; a low level compresses a large body in less time."""
    return gzip.compress(body, level, mtime=0)
