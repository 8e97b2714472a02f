"""The httpx transport that carries pushes over kept-alive HTTP/1.1 connections.

``transport.ProviderTransport`` takes a request and returns the response, or raises an error that says whether a byte of
the request was written. ``client`` calls it for pushes, ``oauth`` for tokens, ``diagnostics`` for probes.
Terms are explained in docs/glossary.md.
"""
