"""Webhooks (Standard Webhooks 1.0): who wants to be told, what is on its way to them, and how it is signed.

::

    event       the events there are                                       pure
    secrets     signing secrets and bearer tokens, none of them stored in plain    pure
    signature   what a delivery is signed with                             pure
    schedule    when it is tried again                                     pure
    endpoint    who is told; endpoints: stored
    delivery    an event on its way; deliveries: stored
    outbox      from a change of status to a delivery, taken under a lease and ended under its fence

A change of status writes an outbox entry in its own script. Another script makes a delivery of it for each endpoint, in
the queue of its receiver. A receiver is what shares a fate: an endpoint, or a host that jobs and batches of one user
name. What a dead one can hold up is its own queue: so many at once a receiver, so many a user, and half of the slots
for the ailing.
"""
