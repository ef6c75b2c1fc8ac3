"""Signals to a monitoring service, so that somebody hears when a job, or WindMill itself, is silent."""
