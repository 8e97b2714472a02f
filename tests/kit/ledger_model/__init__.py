"""A reference model of the ledger in plain Python, without Redis and bytes; the scripts must agree with it.

A test calls the ledger and then the model with the same arguments, and compares their results and their states. The
model is plain data, so a copy of it is a snapshot.
"""
