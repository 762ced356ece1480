"""Real servers for tests, examples and the demo. Nothing here is imported by the engine or the adapters."""
