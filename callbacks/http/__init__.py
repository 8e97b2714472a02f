"""HTTP at the receiver: the server, its bounds, and the reports in the body of a request.

``server.HttpServer`` listens. ``report_protocol.ReportProtocol`` takes connections and hands requests to the receiver,
within the bounds of ``server_load``. ``posted_reports`` reads the reports of a body; ``posted_body`` returns the JSON
in it, decompressed and without a form around it. ``refusal_log`` bounds the log lines. Only the ``receiver`` calls
them. Terms are explained in docs/glossary.md.
"""
