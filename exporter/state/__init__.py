"""What is known of each guild and each shard now."""
