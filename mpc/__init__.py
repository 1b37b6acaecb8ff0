"""Massively parallel computation: protocols of machines with little memory, run message by message or compiled to a transformer."""

from .engine import Engine, Local, Run, run_blocks, run_protocol
from .language import Inbox, all_reduce, broadcast, gather, machine, request, scatter, shuffle
from .protocol import Protocol, protocol
from .ray_engine import Ray
from .trace import Trace

__all__ = [
    "Engine",
    "Inbox",
    "Local",
    "Protocol",
    "Ray",
    "Run",
    "Trace",
    "all_reduce",
    "broadcast",
    "gather",
    "machine",
    "protocol",
    "request",
    "run_blocks",
    "run_protocol",
    "scatter",
    "shuffle",
]
