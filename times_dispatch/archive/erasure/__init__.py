"""Rights of recipients: a number can be forgotten, and a late stop reply still opts the number out.

``forgetter`` removes a number from all data, ``sealing`` keeps the records that the law prescribes, ``late_opt_outs``
opts out people who replied to a message of an archived campaign. Terms: docs/glossary.md.
"""
