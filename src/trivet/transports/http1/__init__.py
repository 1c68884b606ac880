"""HTTP/1.1 over one connection: a codec that knows the bytes, and the flow that moves them."""
