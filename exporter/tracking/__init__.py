"""Components that turn facts into counts and records, each with its own state."""
