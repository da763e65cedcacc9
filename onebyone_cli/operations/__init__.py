"""Where readers, plan, arithmetic and writer are joined; the only place that joins them.

Data flows one way::

    readers ── sources ── stack ── tiles (C, T) ── convolution ── cast ── writer ── commit

A source that can be read only once is laid in a spool first; a target that must be written in
order is written from one. A job checks and plans when it is made; only ``run`` reads a pixel or
creates a file.

Nothing is imported here: a pass that learns needs nothing of one that applies.
"""
