"""What happens to a tile: convolution, cast to the output type, difference of two stacks."""
