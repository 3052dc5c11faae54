"""Run the command as ``python -m fmcompress.cli``."""

from fmcompress.cli.main import main

main()
