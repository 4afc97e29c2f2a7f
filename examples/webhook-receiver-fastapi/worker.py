"""Handles what the receiver has stored. With --drain it ends when nothing waits."""

import os
import sys
import time

from inbox import Inbox
from shipments import TABLES, handle

PAUSE_SECONDS = 0.5


def main(drain):
    inbox = Inbox(os.environ.get("INBOX", "inbox.db"), TABLES)
    inbox.forget()
    while True:
        if inbox.work(handle):
            continue
        if drain:
            return
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main("--drain" in sys.argv)
