"""``python -m onebyone_cli``."""

from onebyone_cli.cli import main

main()
