"""Invites: by which invite a member joined."""
