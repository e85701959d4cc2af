"""Measurements of what is promised about speed, each against the public alternative or its budget."""
