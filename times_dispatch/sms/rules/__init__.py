"""India's rules for commercial SMS (TRAI's TCCCPR and the DLT, docs/domain.md section 5) as pure functions.

``categories``, ``headers`` and ``dlt_ids`` check registered names and ids. ``links`` finds the links of a text and
compares them with a whitelist; ``callback_numbers`` finds the phone numbers of a text, with ``short_codes``, and
``number_whitelist`` compares the numbers with a whitelist. ``domains`` and ``words`` are parts of these searches.
``send_window`` computes the hours of the day in which messages may be sent. The registered text itself is in
``times_dispatch.sms.templates``. Terms are explained in docs/glossary.md.
"""
