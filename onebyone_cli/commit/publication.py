"""How an output is published: the options as one value."""

from __future__ import annotations

from typing import NamedTuple


class Publication(NamedTuple):
    """How an output is published.

    Attributes
    ----------
    force : bool
        Replace an existing output.
    fsync : bool
        Flush the output to disk before renaming it into place, and the folder after that.
    if_changed : bool
        Keep an existing output of the same bytes, with its modification time; replace any other.
    resume : bool or None
        None writes a temporary that a later run can't resume. True resumes the part file of an
        earlier run; False creates a new one that can be resumed.
    shared : bool
        Other jobs write the same part file at the same time.
    """

    force: bool = False
    fsync: bool = False
    if_changed: bool = False
    resume: bool | None = None
    shared: bool = False

    @property
    def may_replace(self) -> bool:
        """Whether an existing output may be replaced."""
        return self.force or self.if_changed


#: Replace nothing.
NEW = Publication()
