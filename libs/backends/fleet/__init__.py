"""The fleet: ComfyUI servers that share the jobs, each with slots, a catalogue and a health of its own.

needs (what a job needs, pure) · fleet (a client for each server) · health (whether a server is well, in Redis) ·
offers (what each can load and run, and all of them together). Which server a job gets is decided where it is claimed:
`libs/jobs/scripts/servers.lua`.
"""
