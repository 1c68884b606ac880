"""The two halves of the transport: the one that threads call, and the one that tasks call."""
