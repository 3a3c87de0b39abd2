"""The status as metrics for Prometheus."""
