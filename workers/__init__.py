"""Celery workers: pace, push, record; and the upkeep that repairs.

A bell (a Celery message: three ids) comes in through ``tasks``; the ``dispatcher`` of the process takes the batch's
lease and runs it on the one event loop of the process (``loop``, ``batch``); what came of every push goes into the
ledger (``results``, ``recorder``). ``upkeep`` runs every second from beat; ``progress`` keeps Flower's row per
campaign.
"""
