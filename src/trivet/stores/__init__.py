"""Where the cache keeps its entries."""
