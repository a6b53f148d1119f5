"""The cage: where code runs that parses what callers sent.

::

    worker or API                     zygote                        child, one for each file
    fork_server.ForkServer ═ channel ═ zygote ── fork ── lock ═ job ── libs.backends.….child
       (holds the secrets)        (no environment,          (limits, seccomp, Landlock,
                                   decoders imported)        nobody, no open files)

A decoder of foreign bytes is taken for broken: whoever sends a file that takes it over finds themselves in a process
that was made for this file, has never held a secret, and can do nothing but compute and answer. What a kernel has for
that differs; `kernel.weaknesses` says what is missing here.
"""

from libs.backends.cage.fork_server import ForkServer, Worked
from libs.backends.cage.job import Job
from libs.backends.cage.profile import Profile

__all__ = ["ForkServer", "Job", "Profile", "Worked"]
