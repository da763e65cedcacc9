"""Drawing: numbers become an RGB array, and an RGB array becomes a PNG file or text.

============  ====================================================================================
`stretch`     the range of numbers that a picture shows
`colormap`    numbers in that range to colours
`resample`    pixels averaged or repeated, so that a picture has the size it should have
`sheet`       where each of several pictures lies on a contact sheet
`caption`     writing on pictures
`png`         an RGB array as a PNG file
`terminal`    an RGB array as lines of text, for whatever a terminal can show
============  ====================================================================================

It sees numbers, never stacks. A picture is an array of uint8 of shape (height, width, 3) in sRGB.
"""
