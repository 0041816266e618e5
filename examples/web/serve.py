"""Serve the page on this machine: python examples/web/serve.py, then open the address it prints.

Any web server does. This one also sends the two headers with which browsers allow several threads.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NEEDED = {
    "node_modules/onnxruntime-web": "npm install",
    "bundle/find.onnx": "qatm-export --compact --find bundle",
}
"""What the page runs, and what brings it."""


class Handler(SimpleHTTPRequestHandler):
    """Files, isolated from other sites' pages."""

    def end_headers(self) -> None:
        """Add the headers."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve the page on this machine.")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any that is free")
    arguments = parser.parse_args()
    folder = Path(__file__).resolve().parent
    handler = partial(Handler, directory=str(folder))
    for name, cure in NEEDED.items():
        if not (folder / name).exists():
            print(f"there is no {folder / name}: {cure}, in this folder, makes it", file=sys.stderr)
    try:
        opened = ThreadingHTTPServer(("127.0.0.1", arguments.port), handler)
    except (OSError, OverflowError) as error:
        parser.error(f"port {arguments.port} cannot be used ({error}); 0 takes any that is free")
    with opened as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main()
