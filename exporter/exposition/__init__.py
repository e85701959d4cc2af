"""The Prometheus exposition: the text of one scrape."""
