"""The sandbox's HTTP: the listening socket, and the requests and responses of the providers that it simulates.

Terms are explained in docs/glossary.md.
"""
