"""The one way to the disk: entries and state in one commit."""
