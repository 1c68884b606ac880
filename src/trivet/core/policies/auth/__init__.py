"""Kinds of authentication; each is a policy at the innermost stage."""
