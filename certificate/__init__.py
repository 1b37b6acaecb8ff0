"""Certificates: proofs that a compiled model is right for every input, by a checker that trusts only the program."""

from .certify import Certificate, certify
from .refused import Refused

__all__ = ["Certificate", "Refused", "certify"]
