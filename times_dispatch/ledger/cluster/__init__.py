"""The ledger on a Redis Cluster or Valkey Cluster: one client with the interface of a client of a single Redis.

``connection.connect`` makes the client from a URL that names some nodes, and every caller of the ledger uses the client
like a ``Redis``. The client sends each command to the node that owns the command's hash slot, and follows the slot when
the slot moves. redis-py's own cluster client is not used: it sends ASKING and the command after it through different
connections, runs each command of a transaction in a thread of its own, and fails when its pool is empty.
docs/cluster.md explains the ledger on a cluster.

Terms: docs/glossary.md.
"""
