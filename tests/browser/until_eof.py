"""Run a command until standard input ends: closed by its holder, or with its holder."""

import subprocess
import sys
import threading

process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)


def terminate_at_end() -> None:
    sys.stdin.buffer.read()
    process.terminate()


threading.Thread(target=terminate_at_end, daemon=True).start()
sys.exit(process.wait())
