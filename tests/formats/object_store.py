"""A real S3 server for tests, on 127.0.0.1."""

import subprocess
import sys
import time
import urllib.request
from typing import Self

#: Long enough for a busy machine.
_START_S = 60.0

_SERVE = """
import sys, time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(port, flush=True)
sys.stdin.read()
"""


class ObjectStore:
    """A server in a process of its own, with one bucket, ``bucket``."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        port = next(line for line in self._process.stdout if line.strip().isdigit()).strip()
        self.url = f"http://127.0.0.1:{port}"
        #: Variables that name it.
        self.variables = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        deadline = time.monotonic() + _START_S
        while not self._make_bucket():
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        return self

    def _make_bucket(self) -> bool:
        request = urllib.request.Request(f"{self.url}/bucket", method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=10):
                return True
        except OSError:
            return False

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.communicate()
