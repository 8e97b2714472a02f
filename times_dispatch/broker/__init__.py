"""Celery: its app and queues, the wake-ups of workers, and Flower.

Terms are explained in docs/glossary.md.
"""
