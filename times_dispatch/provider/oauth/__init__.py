"""The Authorization header: none, HTTP Basic, or an OAuth 2.0 token that all workers share.

``credentials`` holds the credentials from the settings. ``token_cache.TokenCache`` takes client credentials and returns
the header of a valid token; ``client`` calls the cache before each push. Terms are explained in docs/glossary.md.
"""
