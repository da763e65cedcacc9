"""A Typer program that does nothing: the least that any command built on Typer can take."""

import typer

app = typer.Typer()


@app.command()
def main() -> None:
    """Do nothing."""


app()
