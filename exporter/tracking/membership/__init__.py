"""Membership: why a member left."""
