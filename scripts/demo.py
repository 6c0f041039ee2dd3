"""Shows the exporter at work: made-up shops post signed Stripe events to it, with every anomaly.

Run it by `make demo`. Everything lives in a folder of its own that is removed at the end; Ctrl-C ends it all.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("bw-exporter"))
READY_SECONDS = 30
STOP_SECONDS = 15
ERROR = "level=error"

TENANTS = """\
# Short graces, so that a few minutes show what takes hours in earnest.
defaults:
  detectors:
    duplicate_charge: {grace: 10s}
    invoice_mismatch: {grace: 20s}
    silent_lapse: {max_silence: 5m}
tenants:
  books: {name: Corner Books, webhook_secret: whsec_demo_books}
  coffee: {name: Coffee Club, webhook_secret: whsec_demo_coffee}
  trouble: {name: Trouble Inc, webhook_secret: whsec_demo_trouble}
"""


def main() -> int:
    """Run the demo; return 0 if it ended well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", metavar="60s", help="end by itself after so long (default: Ctrl-C)")
    parser.add_argument("--rate", default="5", help="events per second (default: %(default)s)")
    args = parser.parse_args()
    # Noted and acted on between two steps: an exception in the middle of one could leave a process behind.
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    folder = Path(tempfile.mkdtemp(prefix="billingwatch-demo-"))
    children: list[subprocess.Popen[bytes]] = []
    try:
        return play(folder, args, children, stopping)
    finally:
        for process in reversed(children):
            stop(process)
        show_findings(folder)
        show_complaints(folder)
        shutil.rmtree(folder, ignore_errors=True)


def play(
    folder: Path,
    args: argparse.Namespace,
    children: list[subprocess.Popen[bytes]],
    stopping: threading.Event,
) -> int:
    """Start the exporter, then the shops, and stay until either ends; `children` are the caller's to stop."""
    config, log, storage = folder / "tenants.yaml", folder / "exporter.log", store_of(folder)
    config.write_text(TENANTS)
    public, private = free_port(8000), free_port(9847)
    serve = [COMMAND, "serve", "--config.file", str(config), "--storage.url", storage]
    serve += ["--web.webhook-address", f"127.0.0.1:{public}", "--web.metrics-address", f"127.0.0.1:{private}"]
    simulate = [COMMAND, "simulate", "--config.file", str(config), "--url", f"http://127.0.0.1:{public}"]
    simulate += ["--rate", args.rate, "--anomaly", "all"]
    simulate += ["--duration", args.duration] if args.duration else []
    # Sessions of their own: Ctrl-C is for this process, which ends them in the right order.
    with log.open("wb") as output:
        exporter = subprocess.Popen(serve, stdout=output, stderr=output, start_new_session=True)
    children.append(exporter)
    if not ready(exporter, private, stopping):
        if stopping.is_set():
            return 0
        print(f"The exporter did not start. It says:\n{tail(log)}", file=sys.stderr)
        return 1
    print(WHERE.format(public=public, private=private, command=COMMAND, storage=storage, config=config))
    sys.stdout.flush()
    shops = subprocess.Popen(simulate, start_new_session=True)
    children.append(shops)
    while shops.poll() is None and not stopping.wait(0.2):
        if exporter.poll() is not None:
            print(f"\nThe exporter has ended. It said:\n{tail(log)}", file=sys.stderr)
            return 1
    return shops.returncode or 0


def store_of(folder: Path) -> str:
    """Return the URL of the demo's store."""
    return f"sqlite:///{folder}/billingwatch.db"


def show_findings(folder: Path) -> None:
    """Print what the two checks found."""
    if (folder / "billingwatch.db").exists():
        print("\nWhat the checks found (`bw-exporter findings`):", flush=True)
        subprocess.run([COMMAND, "findings", "--storage.url", store_of(folder)], check=False)


def show_complaints(folder: Path) -> None:
    """Print the errors in the exporter's log, if there are any."""
    if complaints := [line for line in tail(folder / "exporter.log", 10_000).splitlines() if ERROR in line]:
        print("The exporter complained:\n" + "\n".join(complaints[-10:]), file=sys.stderr)


WHERE = """\
The exporter runs. Look at:
  a page for people     http://127.0.0.1:{private}/
  metrics               http://127.0.0.1:{private}/metrics
  findings              http://127.0.0.1:{private}/findings
  or, in another shell  {command} findings --storage.url {storage}
Three shops post to   http://127.0.0.1:{public}/webhooks/<tenant>; trouble strikes the tenant `trouble`.
Their file is         {config}
Ctrl-C ends everything.
"""


def free_port(wanted: int) -> int:
    """Return `wanted` if nobody listens there, else a port that is free."""
    for port in (wanted, 0):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = tried.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")


def ready(exporter: subprocess.Popen[bytes], port: int, stopping: threading.Event) -> bool:
    """Wait until the exporter says that it is ready; return False if it ends before, or never says so."""
    deadline = time.monotonic() + READY_SECONDS
    while exporter.poll() is None and time.monotonic() < deadline and not stopping.wait(0.1):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == http.client.OK:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process the kind way, and after a while the other way."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, none where there is no log yet."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
