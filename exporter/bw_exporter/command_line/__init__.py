"""What bw-exporter and bw-rules share of a command line, over click.

`program` finds the commands and runs one, `flags` makes a flag with its environment variable, `options` reads the
values of flags, `storage` reads the URL of a store. What one command does is in `commands/` of its own package.
"""
