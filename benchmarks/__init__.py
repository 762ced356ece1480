"""Measurements: each prints what it saw, none is part of the tests."""
