"""The rules of docs/formats/rules.md once more, in plain and slow Python, to hold the Rust engine against.

Nothing is shared with the engine but the formats. What can be written as one sorted list or one sum, is.
"""

from .model import Model

__all__ = ["Model"]
