"""The readers of what others wrote, given anything: our own error comes out, or what was meant."""
