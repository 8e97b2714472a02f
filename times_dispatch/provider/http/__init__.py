"""The httpx transport that carries pushes: connections, their pool, and dialling."""
