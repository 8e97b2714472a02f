"""A campaign file and a recipients file go in; a checked, batched and sealed campaign in the ledger comes out.

Read `submit` for the order of things, `campaign_file` for what a campaign may say, `recipients` for the formats,
`rows` for what becomes of each row. `cli` is the ``dispatch`` command line, a thin layer over these; nobody imports
`producers`.
"""
