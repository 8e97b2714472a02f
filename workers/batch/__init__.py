"""One batch at work: a leased batch goes in, the result of each of its messages comes out, in the ledger.

A message meets these modules in this order, and none of them twice:

1. ``batch`` opens a block of messages in the ledger: from here on each of them is ``sending``.
2. ``suppression_check`` says which of them must not be pushed (opted out, the same text again, too many to a number).
3. ``pacing`` puts each of the others into the push queue when its slot has come.
4. ``push_queue`` starts the push as soon as one of the process' pushes in flight has ended.
5. ``pusher`` renders the message (``renderer``) and hands it to the provider's client.
6. ``recorder`` writes the result (``message_result``) into the ledger, with others in one group.

A message that is not pushed after all (a stop, a lost lease, too late) goes straight to the recorder, which writes it
back as pending. ``batch_run`` is what these parts know in common: whether the batch may still push, and when to stop.
``context`` holds what all batches of a process share; ``capacity`` bounds how many messages they have open at once.
docs/glossary.md explains the words of the field.
"""
