"""What carries the transport's flows: one small loop for threads, one for tasks."""
