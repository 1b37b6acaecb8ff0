"""Certificates: proofs that a compiled model is right for every input, by a kernel that trusts only the program."""
