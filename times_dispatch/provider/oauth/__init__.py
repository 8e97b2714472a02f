"""OAuth 2.0 client credentials: asking for tokens, caching and sharing them."""
