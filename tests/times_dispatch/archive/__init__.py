"""Tests of times_dispatch/archive. Terms: docs/glossary.md."""
