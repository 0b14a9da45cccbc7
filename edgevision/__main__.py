"""``python -m edgevision``, and the command ``edgevision``: from here on an interrupt is one line and a status.

This loads nothing before that holds. What the command line is takes a moment to load, and longer on a small board.
"""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line of the process."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # whoever started us may have it ignored
            signal.signal(signal.SIGINT, _leave)
        from edgevision.cli import main as application
    except KeyboardInterrupt:
        _leave()
    application()


def _leave(*_: object) -> None:
    """End at once: nothing has begun."""
    try:
        os.write(2, b"edgevision: interrupted; nothing was half-written\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
