"""The command ``fmc``: options in, one library call, text out."""
