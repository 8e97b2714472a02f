"""Whether the whole deployment runs: Redis, processes, queues, reports and brakes at one moment, and what is wrong.

``reader.read_status`` reads the ledger and returns a ``model.DeploymentStatus``. It also holds the findings: what is
wrong and what to do, the most serious first. The command line, the console and monitors call it. ``roles`` says how a
missing process is started. docs/glossary.md explains the words of the field.
"""
