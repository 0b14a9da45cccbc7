"""Where the operators of an OpenVINO model run: what ``query_model`` says, as a mapping report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgevision.device_string import parse_device
from edgevision.errors import IncompatibleModelError, reason_of
from edgevision.mapping import CPU, NOWHERE, MappingReport, Placement
from edgevision.optional import version

_NOT_RUN = ("Constant", "Parameter", "Result")


def mapping_of(core: Any, model: Any, device: str, execution_devices: Sequence[str]) -> MappingReport:
    """Ask OpenVINO which of a device's members takes each operator.

    Args:
        core: ``openvino.Core``.
        model: ``openvino.Model`` as it was read.
        device: The device string that the model was loaded with.
        execution_devices: The devices that run it.

    Raises:
        IncompatibleModelError: OpenVINO does not say.
    """
    where = parse_device(device)
    # AUTO and MULTI run a whole model on a member; only HETERO divides one.
    asked = list(where.members) if where.kind == "hetero" else list(execution_devices) or [device]
    names = [name.upper().replace(":", ".") for name in asked]
    target = f"HETERO:{','.join(names)}" if len(names) > 1 else names[0]
    try:
        taken = core.query_model(model, target)
    except (RuntimeError, TypeError) as exc:
        reason = reason_of(exc)
        raise IncompatibleModelError(f"openvino does not say where the model runs on {device}: {reason}") from exc
    placements = []
    operators = [operation for operation in model.get_ordered_ops() if operation.get_type_name() not in _NOT_RUN]
    for index, operation in enumerate(operators):
        place = taken.get(operation.get_friendly_name())
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        if place is None:
            reason = f"{device} does not take it"
            rewrite = f"hetero:{device},cpu runs it on the processor" if where.kind != "hetero" else None
            placements.append(Placement(index, kind, name, NOWHERE, reason, rewrite))
        else:
            placed = place.lower().replace(".", ":")
            left = placed == CPU and asked[0] != CPU
            placements.append(Placement(index, kind, name, placed, f"{asked[0]} does not take it" if left else None))
    return MappingReport(asked[0], f"openvino {version('openvino')}", tuple(placements))
