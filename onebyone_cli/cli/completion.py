"""What shells offer at a Tab: names of datasets inside a file; all else is completed as files are.

Whatever a file holds, completion must not write a message into the line that is being typed: a
file that is damaged, hostile or not there offers nothing.
"""

import os

#: More names than this are no help to anybody who types.
_MOST_OFFERED = 200


def complete_input(incomplete: str) -> list[str]:
    """Offer the datasets of ``file.h5:``; nothing for other words, which the shell completes.

    Parameters
    ----------
    incomplete : str
        The word so far.

    Returns
    -------
    list of str
        Whole words, as in ``cube.h5:/radiance``.
    """
    if ":" not in incomplete:
        return []
    # Whoever types ~ means their folder, which the shell puts in only when the command runs.
    path, colon, typed = incomplete.rpartition(":")
    try:
        from onebyone_cli import formats

        names = [each.name for each in formats.list_datasets(os.path.expanduser(path))]
    except Exception:
        return []
    wanted = "/" + typed.lstrip("/")
    slash = "" if typed and not typed.startswith("/") else "/"
    fitting = [name for name in names if name.startswith(wanted) and name.isprintable()]
    return [f"{path}{colon}{slash}{name[1:]}" for name in fitting[:_MOST_OFFERED]]
