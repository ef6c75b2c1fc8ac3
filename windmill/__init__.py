"""WindMill: a GitOps-style, file-driven scheduler for Python scripts."""

__version__ = "0.1.0"
