"""Makes HTTP requests from pushes: ``payload.Payload`` compiles a provider's payload template into bytes once.

``client`` passes each ``Push`` to ``Payload.request`` and gets a ``PushRequest``, which ``http.transport`` writes to a
socket. Terms are explained in docs/glossary.md.
"""
