"""Celery and nothing else: the app, its queues, the waking of workers, and Flower."""
