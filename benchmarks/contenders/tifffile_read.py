"""Read a TIFF file into memory with tifffile, with two threads, and nothing else."""

import sys

import tifffile

tifffile.imread(sys.argv[1], maxworkers=2)
