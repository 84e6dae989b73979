"""Puts the native packet writer into a wheel where it can be built; without it the wheel is pure Python."""

import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeWriterHook(BuildHookInterface[Any]):
    """Best effort: needs cffi, a C compiler, Python's and OpenSSL 3's headers."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension and name the wheel for this platform."""
        command = [sys.executable, "-m", "streaming.native.build"]
        if self.target_name == "wheel" and subprocess.run(command, cwd=self.root, check=False).returncode == 0:
            build_data["artifacts"].append("streaming/native/_writer.*.so")
            build_data["pure_python"] = False
            build_data["infer_tag"] = True
