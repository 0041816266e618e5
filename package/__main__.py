"""``python -m qatm``: the command ``qatm``."""

from __future__ import annotations

from qatm.tools.start import qatm

if __name__ == "__main__":
    qatm()
