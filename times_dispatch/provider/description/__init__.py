"""A provider described by data: endpoint, payload template, placeholders, and how its answers are read."""
