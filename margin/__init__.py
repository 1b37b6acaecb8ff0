"""What a margin proof rests on: intervals around the values of a soft model, checked from its tensors. Imports NumPy only."""
