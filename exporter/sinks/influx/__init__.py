"""InfluxDB 2: counters as points, written through the line protocol."""
