"""HTTP requests out of pushes: ``payload.Payload`` compiles a provider's payload template into bytes once.

``client`` hands each ``Push`` to ``Payload.request`` and gets a ``PushRequest``, which ``http.transport`` writes to a
socket.
Terms are explained in docs/glossary.md.
"""
