"""What a command uses of the machine over time: memory, CPU and, where there are any, graphics processors."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackage
from ..workspace import Workspace
from .values import SYSTEM

if TYPE_CHECKING:
    from ..domain.run import PointRecorder


class Sampler:
    """Appends, as metrics of the run, what the command and all its descendants use; a step is a second.

    `system/memory` is resident memory in bytes, `system/cpu` the share of one core in percent, of each NVIDIA device
    `system/gpu_0_memory` in bytes and `system/gpu_0_utilization` in percent.
    """

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self._psutil = library()
        self._nvml, self._devices = _nvml()
        self._recorder: PointRecorder = workspace.store.recorder(run_id)
        self._began = time.monotonic()
        self._known: dict[int, Any] = {}

    def sample(self, pid: int) -> None:
        """One more point of each; of a command that has just ended there is none."""
        with suppress(self._psutil.Error):
            values = self._of_processes(pid)
            for at, device in enumerate(self._devices):
                values |= self._of_device(at, device)
            self._recorder.add_many(values, round(time.monotonic() - self._began))

    def close(self) -> None:
        """Make what was sampled durable."""
        self._recorder.close()

    def _of_processes(self, pid: int) -> dict[str, float]:
        root = self._psutil.Process(pid)
        memory, cpu = 0.0, 0.0
        for each in [root, *root.children(recursive=True)]:
            process = self._known.setdefault(each.pid, each)
            with suppress(self._psutil.Error):
                memory += process.memory_info().rss
                cpu += process.cpu_percent()
        return self._named({"memory": memory, "cpu": cpu})

    def _of_device(self, at: int, device: Any) -> dict[str, float]:
        with suppress(self._nvml.NVMLError):
            used, rates = self._nvml.nvmlDeviceGetMemoryInfo(device), self._nvml.nvmlDeviceGetUtilizationRates(device)
            return self._named({f"gpu_{at}_memory": float(used.used), f"gpu_{at}_utilization": float(rates.gpu)})
        return {}

    def _named(self, values: dict[str, float]) -> dict[str, float]:
        for name in values:
            if SYSTEM + name not in self._recorder.heads:
                self._recorder.know(SYSTEM + name)
        return {SYSTEM + name: value for name, value in values.items()}


def library() -> Any:
    """The library, MissingPackage where it is not installed."""
    try:
        import psutil
    except ImportError:
        raise MissingPackage("--system needs psutil, which is not installed", "pip install 'mlcli[system]'") from None
    return psutil


def _nvml() -> tuple[Any, list[Any]]:
    """NVIDIA's library and the devices that it tells of; none where there is no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # its own errors cannot be named before it is imported
        return None, []
    return pynvml, [pynvml.nvmlDeviceGetHandleByIndex(at) for at in range(pynvml.nvmlDeviceGetCount())]
