"""What producers, workers and callbacks share; nothing in here imports them."""
