"""The adapters to the places where information appears (clause 2.3.1), one per channel."""
