"""The path of a workbook goes in; its sheets and the text that each of their cells shows come out.

``sheets`` has the contract; ``xlsx``, ``xls`` and ``ods`` are its variants. ``format_tokens``, ``number_format`` and
``date_format`` show a number as the format of its cell does. ``producers.recipients.excel`` chooses the sheet and
leaves hidden rows out. Terms are explained in docs/glossary.md.
"""
