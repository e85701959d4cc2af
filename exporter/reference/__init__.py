"""The reference: the declarations as values for commands and as pages of the documentation."""
