"""A campaign file and the settings go in; a checked campaign comes out, with the plan that workers will follow.

``file`` has ``Campaign``, and ``table`` lists the fields of the file. ``schedule`` works out times, ``budget``
limits parts and money, ``custom_values`` fills the provider's own placeholders, and ``slot_binding`` binds the columns
of a recipients file to the slots of the template. Terms are explained in docs/glossary.md.
"""
