"""What can be observed: one file for each family, each event declared once."""
