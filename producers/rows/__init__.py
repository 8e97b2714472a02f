"""What becomes of each recipient's row: accepted with its number, variables and parts, or refused with a reason."""
