"""Programs with a loop: cut into what comes before the block, the block, and what comes after it, each lowered once."""
