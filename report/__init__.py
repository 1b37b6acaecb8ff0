"""A model as one page: its weights run in the browser, beside its program, its circuit and its proof. No network."""
