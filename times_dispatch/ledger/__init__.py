"""The ledger: campaigns, batches and messages in Redis, which decides what counts as sent.

Producers write campaigns (``submission``). Workers lease batches, open blocks (``openings``) and record results
(``push_results``) through ``leases``, and check frequency caps (``frequency_cap``) and opt-outs
(``numbers/opt_outs``). Callbacks apply delivery reports (``reports/report_applier``). People pause, resume and cancel
campaigns (``control``) and read their state (``queries``). Upkeep takes batches back from lost workers
(``maintenance``) and verifies the counters (``audit``). Every change is a script in ``lua/``: each script is atomic,
allows only legal state transitions, and can be repeated safely.

Folders: ``campaigns`` (what people read about campaigns), ``numbers`` (opt-outs, dead and forgotten numbers, the search
for one number), ``reports`` (delivery reports), ``statistics`` (counters), ``monitoring`` (heartbeats, memory, silence,
alerts), ``lanes``, ``cluster`` and ``sentinel`` (several servers).

Terms: docs/glossary.md.
"""
