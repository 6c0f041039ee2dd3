"""The commands of bw-exporter, a file each: a new file with a `command` is a new command.

A command's file has its flags and calls what does the work, which it imports when it is run: `--help` imports
every file here. `send` and `simulate` are in bw_simulator.commands.
"""
