"""The work on one batch: a leased batch goes in; the result of each of its messages goes into the ledger.

The dispatcher makes a ``BatchWorker`` for each lease. A message passes these modules in this order:

1. ``batch_worker`` opens a block of messages in the ledger: from here on each of the messages is ``sending``.
2. ``suppression_check`` finds the messages that must not be pushed, because their recipients opted out. The ledger has
   suppressed others when the block was opened: the same text again, or too many messages to a number.
3. ``pacing`` puts each of the other messages into the push queue when the message's send time has come.
4. ``push_queue`` starts the push as soon as fewer pushes than ``max_in_flight`` are in flight.
5. ``pusher`` renders the message (``renderer``) and passes it to the provider's client.
6. ``recorder`` writes the result (``message_result``) into the ledger, in a group with other results.

A message that is not pushed (a stop, a lost lease, too late) goes straight to the recorder, and the ledger makes the
message pending again. Two facts go back to earlier modules: the recorder tells ``suppression_check`` which messages
were not sent, so that the next block may contain them, and tells ``batch_worker`` that messages are pending again.

``batch_run`` is the state that these modules share: whether the batch may still push, when the batch must stop, and why
its work ends. ``timings`` lists the waits of a batch. ``context`` holds the services that all batches of a process
share; ``capacity`` bounds how many messages these batches have open at once. ``opt_out_cache`` looks numbers up in the
opt-out list for ``suppression_check``. ``ledger_retry`` repeats calls to the ledger while the ledger is unavailable.
Terms: docs/glossary.md.
"""
