"""Folders with one file for each channel: their contents, their order, and names of files.

============  ==================================================================================
`contents`    which files of a folder are channels, and what other programs leave beside them
`order`       natural order of file names
`joined`      the files of a folder as one stack
`naming`      channel names and wavelengths from names of files, and the other way round
============  ==================================================================================
"""
