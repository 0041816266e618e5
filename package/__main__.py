"""``python -m qatm``: the command ``qatm``."""

from __future__ import annotations

from qatm.tools.cli import main

if __name__ == "__main__":
    main()
