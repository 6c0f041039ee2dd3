"""The page that shows what arrived where Slack would be: what is firing now, and every message, newest first."""

from __future__ import annotations

import html
import re
import time
from dataclasses import dataclass
from typing import Any

_ALERT = re.compile(r"_(Billing\w+), since")
_MARKUP = (
    (re.compile(r"&lt;(https?://[^|\s]+)\|([^&]+)&gt;"), r'<a href="\1">\2</a>'),
    (re.compile(r"^_(.+)_$", re.MULTILINE), r'<span class="dim">\1</span>'),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
)
"""The few marks of Slack's that our messages have: links, a line in italics, code."""

_STYLE = """\
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1a1f26; --dim: #586271; --line: #d9dee5;
  --link: #1f4fd8; --code: #eef1f5; --danger: #a8181f; --warning: #7c4a00; --good: #14683a; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1318; --card: #171c23; --text: #e7eaee; --dim: #a0aab7;
  --line: #2d3540; --link: #8fb1ff; --code: #222933; --danger: #ff9b96; --warning: #f3c063; --good: #7ddba1; } }
body { margin: 0 auto; max-width: 48rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: .5rem 0 0; }
h2 { font-size: 1rem; margin: 0; display: flex; flex-wrap: wrap; gap: 0 .75rem; justify-content: space-between; }
article { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--dim); border-radius: 8px;
  padding: .7rem 1rem; margin: 0 0 .8rem; }
.danger { border-left-color: var(--danger); } .danger h2 b { color: var(--danger); }
.warning { border-left-color: var(--warning); } .warning h2 b { color: var(--warning); }
.good { border-left-color: var(--good); } .good h2 b { color: var(--good); }
p { margin: .3rem 0; white-space: pre-line; } a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
time, .dim { color: var(--dim); font-size: .88rem; font-weight: 400; }
code { background: var(--code); border-radius: 4px; padding: .1em .3em; font-size: .88em; }
"""

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{now} · #billing</title><link rel="icon" href="data:,">
<style>
{style}</style></head>
<body><header><h1>{now}</h1>
<p class="dim">#billing: what Alertmanager would post to Slack, newest first. Read again every 2 seconds.</p></header>
<main>
{messages}
</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One post: when it came (Unix seconds), the alert's name, and Slack's own fields."""

    at: float
    alert: str
    title: str
    text: str
    color: str

    @property
    def resolved(self) -> bool:
        """Whether it tells of an end."""
        return self.title.startswith("RESOLVED")

    @property
    def subject(self) -> str:
        """Whom and what it is about, the same when it begins and when it ends."""
        return self.title.partition(" ")[2]


def message(post: dict[str, Any], at: float) -> Message:
    """Return what a post to Slack's webhook says."""
    said = post["attachments"][0]
    found = _ALERT.search(said["text"])
    return Message(at, found[1] if found else "", said["title"], said["text"].strip(), said.get("color", ""))


def page(messages: list[Message]) -> str:
    """Return the page that shows the messages."""
    last = {one.subject: one for one in messages}
    firing = sum(not one.resolved for one in last.values())
    now = f"{firing} firing, {len(last) - firing} resolved" if last else "Nothing has come yet"
    shown = "\n".join(_article(one) for one in reversed(messages))
    waiting = "<p>The first alert comes soon after the first anomaly strikes; the terminal tells which.</p>"
    return _PAGE.format(now=now, style=_STYLE, messages=shown or waiting)


def _article(one: Message) -> str:
    text = html.escape(one.text)
    for mark, element in _MARKUP:
        text = mark.sub(element, text)
    severity, _, subject = html.escape(one.title).partition(" ")
    color = re.sub(r"\W", "", one.color)
    came = time.strftime("%H:%M:%S", time.localtime(one.at))
    return (
        f'<article class="{color}"><h2><span><b>{severity}</b> {subject}</span> <time>{came}</time></h2>\n'
        f"<p>{text}</p></article>"
    )
