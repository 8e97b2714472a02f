"""The httpx transport that sends pushes over persistent HTTP/1.1 connections.

``transport.ProviderTransport`` takes a request and returns the response, or raises an error whose class shows whether a
byte of the request may have been written. ``client`` calls it for pushes, ``oauth`` for tokens, ``diagnostics`` for
probes. Terms are explained in docs/glossary.md.
"""
