"""The disk stage: entries are acknowledged once they are committed here."""
