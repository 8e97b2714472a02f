"""A download of templates from a DLT portal goes in; the registry file that ``dispatch.toml`` names comes out.

``portal`` reads the download, and ``columns`` knows the column names of different portals. ``merge`` adds, changes,
removes or refuses the template of each row, and ``file`` writes the registry file. ``validation`` checks templates for
mistakes that drop their messages, and ``lint`` checks their texts against the rules of portals. Terms are explained in
docs/glossary.md.
"""
