"""The protocols of the library."""
