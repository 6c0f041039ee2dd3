"""The URL of a store on a command line: it is read only where it cannot give a password away."""

from __future__ import annotations

from typing import Any

import click

from bw_exporter.command_line.flags import flag, from_environment


class StorageURL(click.ParamType[str]):
    """The URL of a store. On the command line a password is refused: every user of a machine can see it there."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's own signature
        """Return the URL as it is."""
        from bw_exporter.store.postgres.url import has_password  # noqa: PLC0415 - needs a store, and is not always wanted

        url = str(value)
        if ctx and param and not from_environment(ctx, param) and has_password(url):
            otherwise = f"the URL in {param.envvar}, or " if param.envvar else ""
            self.fail(
                "a password on the command line can be read by every user of this machine;"
                f" give {otherwise}the password in a PGPASSFILE or PGPASSWORD",
                param,
                ctx,
            )
        return url


storage_url = flag(
    "--storage.url",
    "The store: sqlite:///relative, sqlite:////absolute, postgresql://user@host/database.",
    read=StorageURL(),
    default="sqlite:///data/billingwatch.db",
    metavar="URL",
)
"""--storage.url URL, as `serve` takes it and every command that opens the store of `serve`."""
