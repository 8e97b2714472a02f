"""HTTP at the receiver and at the links process: the server, and the reports in the body of a request.

``server`` makes a server of the bounded connections of ``times_dispatch.http_server``. ``posted_reports`` reads the
reports of a body; ``posted_body`` returns the JSON in it, decompressed and without a form around it. Only the receiver
and the links process call them. Terms are explained in docs/glossary.md.
"""
