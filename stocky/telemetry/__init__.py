"""Traces and metrics for an OpenTelemetry collector, over OTLP; off without STOCKY_OTLP_ENDPOINT."""
