"""The rules of an SMS in India, whichever provider carries it.

In go texts, phone numbers, registered templates and ids as users write them. Out come their parts, their E.164 form,
their slots, and the reason why a value breaks a rule of the DLT. Producers and workers call this package; it reads no
file, no clock and no setting.
Terms are explained in docs/glossary.md.
"""
