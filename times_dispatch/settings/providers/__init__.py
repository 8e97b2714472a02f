"""``[providers.NICK]``: an account at a provider, read and checked."""
