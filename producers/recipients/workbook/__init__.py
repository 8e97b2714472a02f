"""The path of a workbook goes in; its sheets come out, with the text that each cell shows.

``sheets`` has the contract; ``xlsx``, ``xls`` and ``ods`` are its variants. ``format_tokens``, ``number_format`` and
``date_format`` turn a number into a text by the format of its cell. ``producers.recipients.excel`` chooses the sheet
and leaves out hidden rows. Terms are explained in docs/glossary.md.
"""
