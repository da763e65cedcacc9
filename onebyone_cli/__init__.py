"""Apply 1×1 convolutions to tensor files: C×H×W stacks in, K×H×W out, streaming."""

__version__ = "0.1.0"
