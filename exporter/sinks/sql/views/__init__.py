"""What people and dashboards read: views with stable names over the tables, the same in both dialects."""
