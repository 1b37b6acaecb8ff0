"""The laboratory: look inside a compiled model, cut and patch it, and use it as ground truth.

`names` which values a model holds, and where; `trace` what it computed on an input; `wiring` who writes and who reads which
value, from the tensors; `circuit` that as a graph; `intervene` sets values and compares with the same change of the meaning.
"""
