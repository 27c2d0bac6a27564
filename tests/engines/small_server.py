"""A server with the habits of large ones: `python small_server.py PORT [--healthy-after S] [--deaf] [--child FILE] …`.

Answers `/health`, keeps whoever asks for anything else waiting, logs what it does, and, as told, takes its time to
start, dies at once, ignores SIGTERM, or starts a process of its own in the background, whose id it writes to FILE.
"""

import argparse
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/health":
            say(f"asked {self.path}")
            time.sleep(600)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--healthy-after", type=float, default=0.0)
    parser.add_argument("--dies-after", type=float)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--child", type=Path)
    chosen = parser.parse_args()
    if chosen.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if chosen.child:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        chosen.child.write_text(str(child.pid))
    say(f"process {os.getpid()} starts")
    if chosen.dies_after is not None:
        threading.Timer(chosen.dies_after, die).start()
    time.sleep(chosen.healthy_after)
    say("listening")
    http.server.ThreadingHTTPServer(("127.0.0.1", chosen.port), Health).serve_forever()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def die() -> None:
    say("out of memory")
    os._exit(3)


if __name__ == "__main__":
    main()
