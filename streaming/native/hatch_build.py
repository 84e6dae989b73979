"""Puts the native parts into a wheel where they can be built; without them the wheel is pure Python."""

import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativePartsHook(BuildHookInterface[Any]):  # type: ignore[misc]  # hatchling is there in builds only
    """Best effort: needs cffi, a C compiler, Python's and OpenSSL 3's headers."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the extension and name the wheel for this platform."""
        if self.target_name != "wheel":
            return
        for package in ("streaming.native", "server.gateway.native"):
            command = [sys.executable, "-m", f"{package}.build"]
            if subprocess.run(command, cwd=self.root, check=False).returncode == 0:
                build_data["artifacts"].append(f"{package.replace('.', '/')}/_native.*.so")
                build_data["pure_python"] = False
                build_data["infer_tag"] = True
