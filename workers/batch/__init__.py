"""One batch at work, in the order in which a message meets it."""
