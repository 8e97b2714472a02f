"""Tests of times_dispatch/archive/erasure. Terms: docs/glossary.md."""
