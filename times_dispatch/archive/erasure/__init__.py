"""What people may ask about their data: that a number is forgotten, and that a late reply still opts out.

``forgetter`` takes a number out of everything, ``sealing`` keeps what the law wants kept of it, ``late_opt_outs`` opts
out people who answered a message whose campaign was archived. Terms: docs/glossary.md.
"""
