"""The path of a workbook or Parquet file goes in; its rows come out, read by a child process with limits.

These formats unpack: a file of some kilobytes may hold gigabytes. ``process`` is the side of the command and fulfils
the contract ``RecipientsFile``, ``child`` is the program that reads the file, and ``messages`` goes between the two.
``limits`` says how much memory and time the child gets, and ``archive`` refuses what would unpack to too much before
anything is unpacked. CSV and JSON Lines never come here. Terms are explained in docs/glossary.md.
"""
