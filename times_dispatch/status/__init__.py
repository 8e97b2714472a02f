"""The status of the whole deployment: Redis, processes, queues, reports and brakes at one moment, with findings.

``reader.read_status`` reads the ledger and returns a ``model.DeploymentStatus``. The status also holds the findings:
each problem and its remedy, the most serious first. The command line, the console and the metrics call ``read_status``.
``roles`` has the commands that start missing processes. docs/glossary.md explains the words of the field.
"""
