"""What people are told about the running processes: heartbeats, memory, silence of providers, alerts and complaints.

Terms: docs/glossary.md.
"""
