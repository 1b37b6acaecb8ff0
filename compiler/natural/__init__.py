"""The natural lowering: weights for the reader of the model, at the other end of the family from the compact one."""
