"""Publish an output that several jobs have filled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.commit.merge import publish_shards
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.formats import main_file, of_stores
from onebyone_cli.names import is_url

if TYPE_CHECKING:
    from onebyone_cli.commit.merge import Published
    from onebyone_cli.commit.publication import Publication


def publish_output(path: str, publication: Publication) -> Published:
    """Check that all shards of an output are complete, and publish it; see `publish_shards`."""
    path = main_file(path)
    has_many_files = is_url(path) or os.path.isdir(Unfinished(path).folder)
    return publish_shards(path, publication, of_stores().seal if has_many_files else None)
