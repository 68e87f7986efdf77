"""llama.cpp's own server, started inside this process on loopback ports, as a distilabel LLM."""

from typing import Any

from pydantic import PrivateAttr

from synth_stack.errors import MissingExtra, ModelError
from synth_stack.teachers.endpoints import Endpoint
from synth_stack.teachers.openai_llm import TeacherLLM


class EmbeddedLLM(TeacherLLM):
    """A TeacherLLM with servers of its own: they start on `load` and stop on `unload`.

    Several servers of one thread each keep all cores busy without the threads of one waiting for each other,
    which on a busy machine costs ten times the work itself. A request goes to the least busy one.
    """

    weights: str
    servers: int
    slots: int
    threads: int
    context_tokens: int

    _running: list[Any] = PrivateAttr(default_factory=list)

    def load(self) -> None:
        while len(self._running) < self.servers:
            server = start_server(self.weights, self.slots, self.threads, self.context_tokens)
            self._running.append(server)
        super().load()

    def unload(self) -> None:
        super().unload()
        self._running.clear()

    @property
    def address(self) -> str | None:
        """None: its servers are a part of this process."""
        return None

    def keep_local(self, allow_hosts: list[str]) -> None:
        """Nothing to keep: its servers listen on loopback alone."""

    def check(self) -> None:
        """Nothing to reach: the weights were found and checked when the teacher was made."""

    @property
    def addresses(self) -> list[str]:
        """Where its servers listen; none before `load` and after `unload`."""
        return [server.listening_address for server in self._running]

    def _endpoints(self) -> list[Endpoint]:
        # a proxy from the environment must never see a loopback request
        return [
            Endpoint(f"{address}/v1", self.model, self.timeout_s, self.retries, trust_env=False)
            for address in self.addresses
        ]


def start_server(weights: str, slots: int, threads: int, context_tokens: int) -> Any:
    """A running llama.cpp server on 127.0.0.1 and a free port; it stops when the object is deleted.

    Raises MissingExtra without xllamacpp, ModelError when llama.cpp cannot load the weights.
    """
    try:
        import xllamacpp
    except ImportError as exc:
        raise MissingExtra(
            "the embedded teacher needs xllamacpp", mend="pip install 'synth-stack[embedded]'"
        ) from exc
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.n_parallel = slots
    params.n_ctx = context_tokens * slots
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.verbosity = -1
    params.warmup = False
    params.cache_ram_mib = 0  # its default keeps old prompts in up to 8 GiB of memory
    params.ui = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as exc:
        raise ModelError(f"llama.cpp cannot load {weights}: {exc}") from exc
