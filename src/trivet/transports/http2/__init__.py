"""HTTP/2 over one connection that several requests share."""
