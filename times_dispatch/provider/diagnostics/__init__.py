"""What helps a person to set a provider up: a probe, a transcript of one exchange, redaction of secrets."""
