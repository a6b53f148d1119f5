"""The border to ARQ: our queue in ARQ's keys, our worker around ARQ's."""
