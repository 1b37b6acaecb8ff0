"""Massively parallel computation: protocols of machines with little memory, run message by message or compiled to a transformer."""

from .engine import Engine, Local, run_protocol
from .language import Inbox, all_reduce, broadcast, gather, machine, request, scatter, shuffle
from .protocol import Protocol, protocol
from .trace import Trace

__all__ = [
    "Engine",
    "Inbox",
    "Local",
    "Protocol",
    "Trace",
    "all_reduce",
    "broadcast",
    "gather",
    "machine",
    "protocol",
    "request",
    "run_protocol",
    "scatter",
    "shuffle",
]
