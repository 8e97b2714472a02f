"""HTTP/1.1 servers that strangers reach: uvicorn with bounds for what a stranger may send, hold open and log.

``bounded_protocol.BoundedProtocol`` takes connections and hands requests to an ASGI application, within the bounds of
``server_load``. ``refusal_log`` bounds the log lines. The receiver, the links process and the console call them.
Terms are explained in docs/glossary.md.
"""
