"""The scheduling policy without Redis: what the scripts of `libs.jobs` do, in Python, on a clock that is passed in.

It is three things at once. It explains the policy: `policy` is the way of a job, `share` is how users share a queue.
It is what the scripts are tested against: both make every move side by side and must agree on each score and each
number. And it is what a capacity planner runs, on simulated time.

Times are milliseconds since the epoch, sizes are slot-seconds. Nothing here reads a clock or does I/O.
"""
