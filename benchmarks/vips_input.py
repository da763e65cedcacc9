"""Write a stack and its weights the way vips likes them: raw interleaved pixels and a matrix."""

import sys
from pathlib import Path

import numpy as np

stack_path, weights_path, pixels_path, matrix_path = map(Path, sys.argv[1:])
stack = np.load(stack_path, mmap_mode="r")
weights = np.load(weights_path)

with pixels_path.open("wb") as file:
    for row in range(stack.shape[1]):
        file.write(np.ascontiguousarray(stack[:, row].T).data)

filters, channels = weights.shape
lines = [" ".join(repr(float(value)) for value in row) for row in weights]
matrix_path.write_text("\n".join([f"{channels} {filters}", *lines]) + "\n", encoding="ascii")
