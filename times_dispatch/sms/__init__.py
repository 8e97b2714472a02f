"""What an SMS is in India, whoever carries it: encoding, phone numbers, templates and rules."""
