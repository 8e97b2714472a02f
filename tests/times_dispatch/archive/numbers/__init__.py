"""Tests of times_dispatch/archive/numbers. Terms: docs/glossary.md."""
