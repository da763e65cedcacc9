"""Check that all that is learned from together has the same channels in the same order."""

from collections.abc import Sequence

from onebyone_cli.errors import DataError, setting


def check_order(names: Sequence[str], path: str, first: Sequence[str], first_path: str) -> None:
    """Raise `DataError` if both know names of channels and have them in different orders.

    Names of another kind, such as those of another date, are taken in their order.

    Parameters
    ----------
    names, first : sequence of str
        Names of the channels of two stacks, or nothing; equally many otherwise.
    path, first_path : str
        Whose they are, for the message.
    """
    if not names or not first or tuple(names) == tuple(first):
        return
    from onebyone_cli.stack.name_matching import match_names, some_of

    places = match_names(first, names).places
    if None in places or places == list(range(len(names))):
        return
    raise DataError(
        f"has the channels of {first_path} in another order: {some_of(names)} and not "
        f"{some_of(first)}; read all in one order, as with {setting('channels', _spec(first))}",
        path,
    )


def _spec(names: Sequence[str]) -> str:
    """Write a selection of all channels by name."""
    return ",".join(f"'{name}'" if set(name) & set(",:!' ") else name for name in names)
