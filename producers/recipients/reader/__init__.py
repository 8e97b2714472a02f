"""The path of a workbook or Parquet file goes in; its rows come out, read by a child process with limits.

These formats are compressed: a file of some kilobytes may hold gigabytes. ``process`` is the command's side and
implements the contract ``RecipientsFile``, ``child`` is the program that reads the file, and ``messages`` has the
messages between them. ``limits`` sets how much memory and time the child gets, and ``archive`` refuses a file that
would unpack to too many bytes, before anything is unpacked. CSV and JSON Lines are read without this package. Terms are
explained in docs/glossary.md.
"""
