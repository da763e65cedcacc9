"""Draw pictures: from numbers to an RGB array, and from that to a PNG file or to text.

============  ====================================================================
`stretch`     the range of numbers that a picture shows
`colormap`    colours for numbers in that range
`resample`    block averages and enlargement
`sheet`       the geometry of a contact sheet
`caption`     text on pictures
`heat_map`    a matrix as a picture
`scree`       the scree plot of a model
`png`         an RGB array as a PNG file
`terminal`    an RGB array as lines of text
============  ====================================================================

A picture is an array of uint8 of shape (height, width, 3) in sRGB. Nothing here reads stacks.
"""
