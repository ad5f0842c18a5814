"""The HTTP server in front of the embedded AWS, in threads of this process.

Leaves to others: what is answered (front).
"""

from __future__ import annotations

import threading

from grapeshot_launcher.platforms.emulator.body import END_LIMIT
from grapeshot_launcher.platforms.emulator.calls import Application

HOST = "127.0.0.1"


class Server:
    """Serves a WSGI application on a free port of 127.0.0.1, in threads."""

    def __init__(self, application: Application) -> None:
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        class Handler(MotoRequestHandler):
            """Writes an answer as one packet at once: a second half would wait 40 ms."""

            protocol_version = "HTTP/1.1"  # with 1.0 there is no `100 Continue`, for which S3 clients wait
            wbufsize = -1
            disable_nagle_algorithm = True

            def handle_expect_100(self) -> bool:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
                del self.headers["Expect"]
                return True

            def log(self, type: str, message: str, *args: object) -> None:
                pass

        self._server = make_server(HOST, 0, application, threaded=True, request_handler=Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="embedded AWS")
        self._thread.daemon = True
        self._thread.start()

    def close(self) -> None:
        """Accept nothing more."""
        self._server.shutdown()
        self._thread.join(END_LIMIT)
        self._server.server_close()
