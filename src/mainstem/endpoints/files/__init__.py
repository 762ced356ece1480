"""Files of any place and format, as a source and as a target."""

from mainstem.endpoints.files.endpoint import Files

__all__ = ["Files"]
