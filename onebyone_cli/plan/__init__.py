"""How large, in which order, in how much memory: plain integers."""
