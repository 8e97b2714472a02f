"""The demo: all processes on one machine, which send to the sandbox.

``python -m times_dispatch.demo`` sends a whole campaign, and compares the ledger with the sandbox's books. The
end-to-end tests, the chaos suite and the benchmarks use the same ``stack`` of processes and the same ``comparison``;
all tests use ``redis_server``.

Terms: docs/glossary.md.
"""
