"""What the transport does with sockets, as flows without I/O: written once, run under threads, asyncio and trio."""
