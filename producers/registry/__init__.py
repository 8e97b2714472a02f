"""Templates as downloaded from a DLT portal go in; the registry file that ``dispatch.toml`` names comes out.

`portal` reads the download, whatever the portal calls its columns; `merge` decides row by row what becomes of the
registry; `file` writes it.
"""
