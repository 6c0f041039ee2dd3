"""Where webhook secrets and API keys come from: the file itself, the environment, or other files.

No message repeats one.
"""
