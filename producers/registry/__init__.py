"""Templates as downloaded from a DLT portal go in; the registry file that ``dispatch.toml`` names comes out.

``portal`` reads the download, whatever the portal calls its columns; ``merge`` decides what becomes of each row;
``file`` writes the registry file; ``validation`` checks templates that are in it. Terms are explained in
docs/glossary.md.
"""
