"""What the panels ask, apart from how the answer is shown; one module for each language or topic."""
