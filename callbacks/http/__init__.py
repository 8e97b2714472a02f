"""The receiver's HTTP: a server that loses no body, and the JSON in a posted body.

``server.ReportProtocol`` takes connections and hands requests to the receiver. ``posted_body`` returns the
JSON in the body of a request, decompressed and without a form around it. Only the ``receiver`` calls them.
Terms are explained in docs/glossary.md.
"""
