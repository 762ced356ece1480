"""A run for the user's own monitoring. Nothing is sent anywhere by itself."""

from mainstem.telemetry.prometheus import Metrics
from mainstem.telemetry.traces import traced

__all__ = ["Metrics", "traced"]
