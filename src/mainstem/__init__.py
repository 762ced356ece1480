"""mainstem: embedded ELT for Dagster."""
