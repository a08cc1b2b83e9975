"""EmoScribe: from a video in any language to a timeline of the emotion its words express."""

__version__ = "0.1.0"
