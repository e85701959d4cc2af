"""The Prometheus side: everything that one scrape shows, as text."""
