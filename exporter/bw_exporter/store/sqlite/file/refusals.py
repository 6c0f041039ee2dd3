"""What is said of a file or a log that is not what was opened, and what to do.

A restart comes first: it keeps all that is still there, and refuses what would destroy a file.
"""

from __future__ import annotations

GONE = (
    "the store {path} is gone ({reason}): put it back, with {path}-wal and {path}-shm; or, to begin a new one, stop"
    " the exporter, move {path}-wal and {path}-shm away if they are still there, and start it"
)
REPLACED = (
    "the store {path} was replaced by another file: put the old one back; or, to use the new one, stop the exporter and"
    " start it: it refuses a log that belongs to the old one, and says what to do"
)
OVERWRITTEN = (
    "the store {path} was overwritten while it was open, or still is: restart the exporter when the copy is done; it"
    " goes on with a file that is whole and its own, and refuses any other, saying what to do. Move nothing away before"
)
LOG_GONE = "the log {path}-wal was taken away while the store was open: put it back, or restart the exporter"
LOG_OVERWRITTEN = (
    "the log {path}-wal was emptied or written over while the store was open: restart the exporter; it counts on with"
    " what is still in the log, refuses one that would destroy {path}, and says what is lost. Move nothing away before"
)
SAVED = (
    "the log {path}-wal was deleted while the store was open; all that was committed has been written into {path}:"
    " restart the exporter"
)
INDEX_GONE = (
    "{path}-shm, which belongs to the log, was taken away while the store was open: put it back, or restart the"
    " exporter; nothing that was answered 200 is lost"
)
INDEX_CUT = (
    "{path}-shm, which belongs to the log, was cut short: the next commit makes it anew, nothing is lost"
)

FOREIGN_LOG = (
    "the log {path}-wal belongs to another file than {path}, and would destroy it: put back the file that"
    " the log belongs to; or, to use {path} as it is, move {path}-wal and {path}-shm away. Then start again"
)
OLD_LOG = (
    "the log {path}-wal is not the last one of {path}, and would destroy it: put back the log that was there last; or,"
    " to use {path} as it is, move {path}-wal and {path}-shm away. Then start again"
)
LATE_LOG = (
    "the log {path}-wal came after the exporter had closed {path}: end the program that has {path} open, which writes"
    " its log back; or, where the log was put there, move {path}-wal and {path}-shm away. Then start again"
)
CUT_LOG = (
    "the log {path}-wal was cut short or written over, and {path} already holds a part of what is missing: put back the"
    " log that was there last; or, to use {path} without it, move {path}-wal and {path}-shm away. Then start again"
)
LOST_FILE = (
    "the store {path} is gone, and its log {path}-wal is there: put the file back; or, to begin a new store,"
    " move {path}-wal and {path}-shm away. Then start again"
)
DAMAGED = (
    "the store {path} is damaged ({damage}): put back the file that was there last; or restore a backup, as"
    " docs/operations.md says, with {path}-wal and {path}-shm moved away. Then start again"
)
READ_ONLY = "the store {path} is read-only for this user: change its owner or its mode"
NO_FILE = "{path} is {what}, where a file of the store should be: move it away. Then start again"
