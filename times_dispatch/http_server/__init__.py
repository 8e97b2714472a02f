"""HTTP/1.1 servers for untrusted clients: uvicorn with limits on requests, open connections and log lines.

``bounded_protocol.BoundedProtocol`` accepts connections and passes requests to an ASGI application, within the limits
of ``server_load``. ``refusal_log`` limits the log lines. The receiver, the links process and the console use this
package. Terms are explained in docs/glossary.md.
"""
