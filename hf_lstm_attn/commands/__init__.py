"""One module per command: `add_arguments(parser)`, and `run(options)` whose docstring is the command's description."""
