"""Servers that do inference, each behind the protocol it speaks."""
