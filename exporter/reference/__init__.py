"""The reference: what the declarations say, as values for commands and as pages for people."""
