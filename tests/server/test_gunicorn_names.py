"""gunicorn's names that its documentation does not promise and serving/ relies on.

An upgrade that changes one of them fails here, and this is where to begin: each was read in gunicorn 27.0.1.
"""

from __future__ import annotations

import importlib
import inspect
import re
from functools import reduce
from pathlib import Path

import gunicorn
import pytest

from bw_exporter.serving.gunicorn_settings import GunicornSettings, _Log
from bw_exporter.serving.http.http_worker import _OpenMethodQueue
from bw_exporter.serving.http.incoming import DeadlineUnreader
from bw_exporter.serving.supervisor import Supervisor
from bw_exporter.serving.worker import PrivateWorker, PublicWorker

ROOT = Path(__file__).parents[2]
OURS = (Supervisor, PublicWorker, PrivateWorker, GunicornSettings, _Log, _OpenMethodQueue, DeadlineUnreader)

OVERRIDDEN = {
    "gunicorn.app.base.BaseApplication.__init__": "(self, usage=None, prog=None)",
    "gunicorn.app.base.BaseApplication.load": "(self)",
    "gunicorn.app.base.BaseApplication.load_config": "(self)",
    "gunicorn.arbiter.Arbiter.__init__": "(self, app)",
    "gunicorn.arbiter.Arbiter.handle_hup": "(self)",
    "gunicorn.arbiter.Arbiter.handle_int": "(self)",
    "gunicorn.arbiter.Arbiter.handle_ttin": "(self)",
    "gunicorn.arbiter.Arbiter.handle_ttou": "(self)",
    "gunicorn.arbiter.Arbiter.handle_usr1": "(self)",
    "gunicorn.arbiter.Arbiter.handle_usr2": "(self)",
    "gunicorn.arbiter.Arbiter.handle_winch": "(self)",
    "gunicorn.arbiter.Arbiter.reap_workers": "(self)",
    "gunicorn.arbiter.Arbiter.setup": "(self, app)",
    "gunicorn.arbiter.Arbiter.spawn_worker": "(self)",
    "gunicorn.arbiter.Arbiter.start": "(self)",
    "gunicorn.arbiter.Arbiter.stop": "(self, graceful=True)",
    "gunicorn.arbiter.Arbiter.wait_for_signals": "(self, timeout=1.0)",
    "gunicorn.glogging.Logger.close_on_exec": "(self)",
    "gunicorn.glogging.Logger.reopen_files": "(self)",
    "gunicorn.glogging.Logger.setup": "(self, cfg)",
    "gunicorn.http.unreader.SocketUnreader.__init__": "(self, sock, max_chunk=8192)",
    "gunicorn.http.unreader.SocketUnreader.chunk": "(self, size_hint=None)",
    "gunicorn.workers.base.Worker.init_signals": "(self)",
    "gunicorn.workers.base.Worker.load_wsgi": "(self)",
    "gunicorn.workers.gthread.PollableMethodQueue.close": "(self)",
    "gunicorn.workers.gthread.ThreadWorker.__init__": "(self, *args, **kwargs)",
    "gunicorn.workers.gthread.ThreadWorker._cap_keepalive": "(self, deadline)",
    "gunicorn.workers.gthread.ThreadWorker.accept": "(self, listener)",
    "gunicorn.workers.gthread.ThreadWorker.enqueue_req": "(self, conn)",
    "gunicorn.workers.gthread.ThreadWorker.finish_request": "(self, conn, fs)",
    "gunicorn.workers.gthread.ThreadWorker.get_thread_pool": "(self)",
    "gunicorn.workers.gthread.ThreadWorker.handle": "(self, conn)",
    "gunicorn.workers.gthread.ThreadWorker.init_process": "(self)",
    "gunicorn.workers.gthread.ThreadWorker.murder_pending": "(self)",
    "gunicorn.workers.gthread.ThreadWorker.run": "(self)",
    "gunicorn.workers.gthread.ThreadWorker.set_accept_enabled": "(self, enabled)",
    "gunicorn.workers.gthread.ThreadWorker.wait_for_and_dispatch_events": "(self, timeout)",
}

CALLED = {
    "gunicorn.arbiter.Arbiter.handle_term": "(self)",
    "gunicorn.arbiter.Arbiter.kill_worker": "(self, pid, sig)",
    "gunicorn.arbiter.Arbiter.run": "(self)",
    "gunicorn.config.Config.set": "(self, name, value)",
    "gunicorn.http.message.Message.force_close": "(self)",
    "gunicorn.http.message.Message.should_close": "(self)",
    "gunicorn.http.body.ChunkedReader.parse_chunk_size": "(self, unreader, data=None)",
    "gunicorn.http.parser.RequestParser.__init__": "(self, cfg, source, source_addr)",
    "gunicorn.http.unreader.Unreader.take_buffered": "(self)",
    "gunicorn.http.unreader.Unreader.unread": "(self, data)",
    "gunicorn.http.wsgi.Response.close": "(self)",
    "gunicorn.http.wsgi.Response.force_close": "(self)",
    "gunicorn.http.wsgi.Response.should_close": "(self)",
    "gunicorn.http.wsgi.Response.start_response": "(self, status, headers, exc_info=None)",
    "gunicorn.http.wsgi.Response.write": "(self, arg)",
    "gunicorn.http.wsgi.create": "(req, sock, client, server, cfg, response_class=None, response_args=())",
    "gunicorn.sock.TCPSocket.__init__": "(self, address, conf, log, fd=None)",
    "gunicorn.sock.ssl_wrap_socket": "(sock, conf)",
    "gunicorn.util.write_error": "(sock, status_int, reason, mesg)",
    "gunicorn.workers.base.Worker.__init__": "(self, age, ppid, sockets, app, timeout, cfg, log)",
    "gunicorn.workers.gthread.PollableMethodQueue.defer": "(self, callback, *args)",
}

ATTRIBUTES = {
    "gunicorn.arbiter.Arbiter": "LISTENERS WORKERS SIG_QUEUE cfg log worker_class",
    "gunicorn.http.body.LengthReader": "length",
    "gunicorn.http.message.Message": "body headers must_close _expected_100_continue",
    "gunicorn.http.parser.RequestParser": "mesg unreader",
    "gunicorn.workers.gthread.ThreadWorker": (
        "_accepting alive cfg keepalived_conns max_keepalived method_queue nr_conns pending_conns poller ppid"
        " sockets tpool worker_connections wsgi SIGNALS"
    ),
}
"""By class, what it or one of its bases names on `self`."""


def test_every_name_that_we_override_is_listed_here() -> None:
    """One that is not was overridden since, or has come to mean something in gunicorn."""
    found = {
        _dotted(theirs, name)
        for kind in OURS
        for name in {name for each in _of("bw_exporter", kind) for name in vars(each)}
        for theirs in [next((each for each in _of("gunicorn", kind) if name in vars(each)), None)]
        if theirs is not None and (name == "__init__" or not name.startswith("__"))
    }
    assert found == set(OVERRIDDEN)


@pytest.mark.parametrize(("name", "signature"), [*OVERRIDDEN.items(), *CALLED.items()])
def test_what_we_override_or_call_is_called_as_before(name: str, signature: str) -> None:
    assert str(inspect.signature(_find(name))) == signature  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "attributes"), ATTRIBUTES.items())
def test_what_we_read_and_set_still_means_something_to_gunicorn(name: str, attributes: str) -> None:
    kind = _find(name)
    assert isinstance(kind, type)
    source = "".join(inspect.getsource(each) for each in kind.__mro__[:-1])
    unknown = [
        each for each in attributes.split() if not re.search(rf"\b(self\.)?{each}\b( =|\.|\[|\()", source)
    ]
    assert unknown == []


def test_the_version_that_was_read_is_the_one_that_is_pinned_and_installed() -> None:
    assert gunicorn.__version__ == "27.0.1"
    assert "gunicorn==27.0.1 " in (ROOT / "requirements/runtime.lock").read_text()


def _of(package: str, kind: type) -> list[type]:
    return [each for each in kind.__mro__ if each.__module__.split(".")[0] == package]


def _dotted(kind: type, name: str) -> str:
    return f"{kind.__module__}.{kind.__qualname__}.{name}"


def _find(dotted: str) -> object:
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[cut:], module)
    raise LookupError(dotted)
