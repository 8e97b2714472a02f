"""Values in settings that people write in their own form: addresses, durations, amounts of money, rates, secrets.

Terms are explained in docs/glossary.md.
"""
