"""The archive: what Redis need not hold any more, in the object store, and still found.

Finished jobs move there a day after their end, in segments of many records; ledgers, the audit log and the list of
admissions in segments of many entries. What is stored is removed from Redis only once it lies there.
"""
