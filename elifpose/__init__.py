"""ElifPose: a small top-down pose network, from annotated images to a phone."""

__version__ = "0.1.0"
