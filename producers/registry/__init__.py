"""Templates as downloaded from a DLT portal go in; the registry file that ``dispatch.toml`` names comes out.

``portal`` reads the download, whose ``columns`` every portal names in its own way; ``merge`` decides what becomes of
each row; ``file`` writes the registry file; ``validation`` checks templates for what drops their messages, and ``lint``
checks their texts against the rules of portals. Terms are explained in docs/glossary.md.
"""
