"""Print one fact about a file for a shell."""

import os
from typing import Any

from onebyone_cli.cli.terminal.file_report import DatasetsFacts, Facts, document, title
from onebyone_cli.cli.terminal.metadata_report import bad_channels
from onebyone_cli.errors import DataError
from onebyone_cli.operations.info.archives import MomentsFacts, WeightsFacts
from onebyone_cli.operations.info.stacks import StackFacts

#: Fields with another name in the document.
_KEYS = {"layout": "axes", "bytes": "data_bytes", "names": "channel_names"}


def bare(facts: Facts, wanted: str) -> str:
    """Return the value of a field, one of `cli.options.facts.FIELDS`.

    Raises
    ------
    DataError
        If the file has no such value.
    """
    if isinstance(facts, DatasetsFacts):
        raise DataError(
            f"has {len(facts.datasets)} datasets it could be; name one, "
            f"as in {facts.path}:{facts.datasets[0].name}",
            facts.path,
        )
    value = _format(facts) if wanted == "format" else _entry(facts, wanted)
    if not value:
        raise DataError(f"has no {wanted} to print: it is {title(facts)}", facts.path)
    return ",".join(map(_word, value)) if isinstance(value, list) else str(value)


def _entry(facts: Facts, wanted: str) -> Any:
    found = document(facts)
    if wanted == "bad" and isinstance(facts, StackFacts):
        return bad_channels(facts.metadata)
    key = _KEYS.get(wanted, wanted)
    return found[key] if key in found else found.get("metadata", {}).get(key)


def _word(value: Any) -> str:
    """Write an entry of a list; one that is a list, such as a range, with colons."""
    return ":".join(map(str, value)) if isinstance(value, list) else str(value)


def _format(facts: Facts) -> str:
    """Return the name of a file's format; empty if unknown."""
    if isinstance(facts, StackFacts):
        from onebyone_cli import formats
        from onebyone_cli.formats.opening import split_inner

        return formats.of_input(split_inner(facts.path)[0]).name
    suffix = os.path.splitext(facts.path)[1].lower().removeprefix(".")
    return suffix if isinstance(facts, WeightsFacts | MomentsFacts) else ""
