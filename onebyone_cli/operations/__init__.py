"""Operations join readers, plan, arithmetic and writer.

Data flows one way::

    readers ── sources ── stack ── tiles (C, T) ── convolution ── cast ── writer ── commit

A source that can be read only once is spooled first. A target that must be written in order is
written from a spool. A job checks and plans when it is made; only ``run`` reads pixels and creates
files.

This package imports nothing: learning needs none of the modules of applying.
"""
