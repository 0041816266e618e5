"""``python -m qatm.tools.demo``."""

from __future__ import annotations

from .demo import app

if __name__ == "__main__":
    app()
