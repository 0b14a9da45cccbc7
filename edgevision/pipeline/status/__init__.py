"""How a running pipeline shows how it is: a page, metrics, and systemd's watchdog."""
