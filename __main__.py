"""`python -m headwork` is the `headwork` command."""

from .cli import main

if __name__ == "__main__":
    main()
