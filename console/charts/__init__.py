"""Charts as SVG, made on the server: figures go in, markup with a title and a description comes out.

The pages show the same figures in a table, so that no figure stands in a chart only.
Terms: docs/glossary.md.
"""
