"""verify, benchmark and evaluate on a device of another machine, over SSH.

The model, and the images if there are any, are sent to a private directory of the device; so is, the first time, an
edgevision of the very files that run here, with what it needs. The command runs there as it would be typed there, and
its JSON document comes back.
"""

from edgevision.devices.ssh import Address
from edgevision.remote.commands import Ran, benchmark_there, evaluate_there, sustained_there, verify_there
from edgevision.remote.session import Machine, Remote, ask_target

__all__ = [
    "Address", "Machine", "Ran", "Remote", "ask_target", "benchmark_there", "evaluate_there", "sustained_there",
    "verify_there",
]  # fmt: skip
