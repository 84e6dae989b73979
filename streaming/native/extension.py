"""Builds C extensions in place and loads them when they are those of the present sources. Runs the C compiler.

Best effort by design: without Linux, a compiler or headers it says what is missing, and pure Python serves. cffi
writes the binding's source; the compiler is called here, so that no setuptools is needed and the sanitizers' flags
are ours.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMPILE_TIMEOUT_S = 120
_FLAGS = ("-O2", "-fPIC", "-shared", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
_FLAGS_SANITIZED = ("-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_DIGEST = "wc_source_digest"


class BuildFailed(Exception):
    """The extension could not be built; the text says what is missing."""


class NativeUnavailable(Exception):
    """The extension cannot be used; the text says why and what to do."""


class Binding:
    """The compiled module's `ffi` and `lib`."""

    __slots__ = ("ffi", "lib")

    def __init__(self, module: Any) -> None:
        self.ffi: Any = module.ffi
        self.lib: Any = module.lib


@dataclass(frozen=True)
class Extension:
    """One C extension: `sources` are C files in `folder`, declared by `header` and, for cffi, by `definitions`.

    `package` is the dotted name of the folder, and `<package>.build` the module that builds it.
    """

    title: str
    package: str
    folder: Path
    header: str
    sources: tuple[str, ...]
    definitions: str
    libraries: tuple[str, ...] = ()

    def source_digest(self) -> str:
        """Return the digest that a module built from the present sources carries."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for name in (self.header, *self.sources):
            digest.update((self.folder / name).read_bytes())
        digest.update(self.definitions.encode())
        return digest.hexdigest()

    def module_path(self, *, sanitize: bool = False) -> Path:
        """Where the built module lies."""
        return self.folder / f"{_module_name(sanitize)}{sysconfig.get_config_var('EXT_SUFFIX')}"

    def build(self, *, sanitize: bool = False) -> Path:
        """Compile and put the module in place in one step; raises BuildFailed."""
        if sys.platform != "linux":
            raise BuildFailed("it needs Linux")
        try:
            from cffi import FFI
        except ImportError:
            raise BuildFailed("cffi is not installed") from None
        name = _module_name(sanitize)
        binding = FFI()
        binding.cdef(f"{self.definitions}\nextern const char *const {_DIGEST};")
        binding.set_source(
            f"{self.package}.{name}",
            f'#include "{self.header}"\nstatic const char *const {_DIGEST} = "{self.source_digest()}";\n',
        )
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".build-") as folder:
            generated, built = Path(folder, f"{name}.c"), Path(folder, "built.so")
            binding.emit_c_code(str(generated))
            self._compile(generated, built, _FLAGS + (_FLAGS_SANITIZED if sanitize else ()))
            built.replace(self.module_path(sanitize=sanitize))
        return self.module_path(sanitize=sanitize)

    def _compile(self, generated: Path, built: Path, flags: tuple[str, ...]) -> None:
        compiler = shlex.split(os.environ.get("CC") or "cc")
        command = [
            *compiler, *flags, "-D_GNU_SOURCE", f"-I{self.folder}", f"-I{sysconfig.get_paths()['include']}",
            str(generated), *(str(self.folder / name) for name in self.sources if name.endswith(".c")),
            "-o", str(built), *(f"-l{name}" for name in self.libraries),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S, check=False)
        except FileNotFoundError:
            raise BuildFailed(f"no C compiler ({compiler[0]}): install gcc") from None
        except subprocess.TimeoutExpired:
            raise BuildFailed(f"{compiler[0]} did not finish within {_COMPILE_TIMEOUT_S} s") from None
        if done.returncode != 0:
            raise BuildFailed(_explain(done.stderr))

    def load(self, *, sanitize: bool = False) -> Binding:
        """Import the built module; raises NativeUnavailable when it is missing, stale or broken."""
        build = f"python -m {self.package}.build"
        if not self.module_path(sanitize=sanitize).exists():
            raise NativeUnavailable(f"it was not built: {build} says what is missing")
        try:
            binding = Binding(importlib.import_module(f"{self.package}.{_module_name(sanitize)}"))
        except ImportError as error:
            raise NativeUnavailable(f"it does not load: {error}") from None
        if binding.ffi.string(getattr(binding.lib, _DIGEST)).decode() != self.source_digest():
            raise NativeUnavailable(f"it was built from other sources: {build}")
        return binding

    def main(self) -> int:
        """Build as a command; 0 when built, 1 when something is missing, which is said in one line."""
        try:
            print(f"{self.title} built: {self.build(sanitize='--sanitize' in sys.argv[1:]).name}")
        except (BuildFailed, OSError) as error:
            print(f"{self.title} not built: {error}")
            return 1
        return 0


def _module_name(sanitize: bool) -> str:
    return "_native_sanitized" if sanitize else "_native"


def _explain(errors: str) -> str:
    if "Python.h" in errors:
        return "Python's headers are missing: install python3-dev"
    if "openssl/" in errors or "-lcrypto" in errors or "EVP_MAC" in errors:
        return "OpenSSL 3's headers are missing: install libssl-dev"
    return f"the compiler failed: {errors.strip()[-2000:]}"
