"""Run a command until standard input ends: closed by its holder, or with its holder."""

import subprocess
import sys
import threading

process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
waits = threading.Thread(target=lambda: (sys.stdin.buffer.read(), process.terminate()), daemon=True)
waits.start()
sys.exit(process.wait())
