"""How the exporter runs: the supervisor, its worker processes, and the configuration that it hands to them.

`judging` reads configurations in a child process. How a worker speaks HTTP is `http`. No application lives here.
"""
