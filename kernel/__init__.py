"""What a certificate rests on: a checkpoint and a proof script in, what is proved out. Imports nothing of what it checks.

`verify.py` replays a script; `rewrite.py` has the rules of equality, `heads.py`, `totals.py`, `blocks.py` and `logits.py` those
of tensors, all on the arithmetic of `numbers.py`, the meanings of `terms.py` and the codes of `stream.py`; `files.py` reads files.
"""
