"""The rules of an SMS in India, which do not depend on the provider.

The package takes texts, phone numbers, registered templates and ids in the form that users write. It returns the parts
of texts, the E.164 form of numbers, the slots of templates, and the reason why a value breaks a rule of the DLT.
Producers and workers call this package, which reads no file, no clock and no setting. Terms are explained in
docs/glossary.md.
"""
