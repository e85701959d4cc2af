"""Alert and recording rules with their runbooks, described once for Prometheus and Grafana."""
