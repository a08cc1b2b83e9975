"""Tests of what the service runs on: image, compose, Kubernetes, AWS, monitoring."""
