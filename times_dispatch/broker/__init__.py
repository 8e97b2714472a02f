"""Celery and what belongs to it: the app and its queues, the waking of workers, and Flower.

Terms are explained in docs/glossary.md.
"""
