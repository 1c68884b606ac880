"""Network backends that keep deadlines: usable beneath any pool that speaks httpcore's network interface."""
