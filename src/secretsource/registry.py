"""Scheme -> backend: the built-in ones by a table, others by an entry point of that name, on first use."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from secretsource import grammar
from secretsource.backend import Backend
from secretsource.concurrency import PerProcess
from secretsource.errors import ConfigurationError, InvalidRef, MissingExtra, SecretSourceError, UnknownBackend
from secretsource.forks import holding_forks
from secretsource.plugins import ENTRY_POINTS, plug_ins
from secretsource.ref import Ref, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
    from importlib.metadata import EntryPoint

_LOOKS_LIKE: Final = 0.6

BUILT_IN: Final[Mapping[str, tuple[str, str | None]]] = {
    # scheme: (where its class is, the extra that brings its SDK)
    "aws-sm": ("secretsource.backends.aws:SecretsManagerBackend", "aws"),
    "aws-ssm": ("secretsource.backends.aws:ParameterStoreBackend", "aws"),
    "azure-kv": ("secretsource.backends.azure:KeyVaultBackend", "azure"),
    "dotenv": ("secretsource.backends.dotenv:DotenvBackend", None),
    "env": ("secretsource.backends.env:EnvBackend", None),
    "file": ("secretsource.backends.file:FileBackend", None),
    "gcp-sm": ("secretsource.backends.gcp:SecretManagerBackend", "gcp"),
    "keyring": ("secretsource.backends.keyring:KeyringBackend", "keyring"),
    "memory": ("secretsource.backends.memory:MemoryBackend", None),
    "vault": ("secretsource.backends.vault:VaultBackend", "vault"),
}

_backends: PerProcess[str, Backend] = PerProcess()
_stand_in: Callable[[str], Backend | None] | None = None


@contextmanager
def standing_in(choose: Callable[[str], Backend | None]) -> Iterator[None]:
    """While inside, what `choose` gives for a scheme answers in the place of every other backend. For tests.

    Args:
        choose: The backend for a scheme, or None where the real one is meant.
    """
    global _stand_in  # noqa: PLW0603 - one table for the process, as for real backends
    before, _stand_in = _stand_in, choose
    try:
        yield
    finally:
        _stand_in = before


def backend_for(scheme: str, own: Mapping[str, Backend] | None = None) -> Backend:
    """The backend that answers to a scheme; one object per process.

    Args:
        scheme: The scheme of a ref.
        own: The user's own backends (`backends=` in the config), which come first.

    Raises:
        UnknownBackend: Nobody answers to it.
        ConfigurationError: Somebody else's, and it cannot be imported or made.
    """
    if _stand_in is not None and (instead := _stand_in(scheme)) is not None:
        return instead
    if own and scheme in own:
        return own[scheme]
    return _backends.get(scheme, lambda: _make(scheme, own or {}))


def _make(scheme: str, own: Mapping[str, Backend]) -> Backend:
    if scheme in BUILT_IN:
        module, _, name = BUILT_IN[scheme][0].partition(":")
        with holding_forks():
            backend = getattr(import_module(module), name)()
    else:
        with holding_forks():
            backend = _plug_in(scheme, own)
    if not isinstance(backend, Backend):
        msg = f"what answers to {scheme}:// is not a secretsource.backend.Backend but a {type(backend).__name__}"
        raise ConfigurationError(msg)
    return backend


def _plug_in(scheme: str, own: Mapping[str, Backend]) -> object:
    """A third party's backend: looked up by its name alone, so that no other plug-in is loaded."""
    if (fault := unknown_backend(scheme, own)) is not None:
        raise fault
    found = plug_ins(scheme)
    if len({point.value for point in found}) > 1:
        msg = f"several installed packages answer to {scheme}://: {', '.join(sorted(point.value for point in found))}"
        raise ConfigurationError(msg)
    return _made_by(found[0])


def _made_by(point: EntryPoint) -> object:
    """What an entry point stands for, made. The error that says why it cannot be may hold anything, and ends here."""
    try:
        return point.load()()
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001 - it is somebody else's code
        module = f" of {error.name}" if isinstance(error, ModuleNotFoundError) and error.name else ""
        fault = type(error).__name__ + module
    declared = f"the entry point {point.name} = {point.value!r} in the group {ENTRY_POINTS!r}"
    raise ConfigurationError(f"the backend for {point.name}:// cannot be imported or made: {fault} ({declared})")


def unknown_backend(scheme: str, own: Collection[str] = ()) -> UnknownBackend | None:
    """What to say of a scheme that nobody answers to, or None. No backend is loaded for that."""
    if scheme in BUILT_IN or scheme in own or plug_ins(scheme):
        return None
    known = sorted({*BUILT_IN, *own})
    meant = did_you_mean(scheme, known, _LOOKS_LIKE)
    others = f"others by an entry point in the group {ENTRY_POINTS!r}"
    return UnknownBackend(f"there is no backend for {scheme}://{meant} (known: {', '.join(known)}; {others})")


def check_options(ref: Ref, backend: Backend) -> None:
    """Refuse options that a backend outside the built-in table does not know.

    Raises:
        InvalidRef: Names what it knows.
    """
    if ref.scheme in grammar.SCHEMES or not ref.options:
        return
    known = grammar.COMMON_OPTIONS | backend.options
    if unknown := sorted(set(ref.options) - known):
        msg = f"unknown option {unknown[0]!r} in {ref}; {ref.scheme} knows {', '.join(sorted(known))}"
        raise InvalidRef(msg)


def whose(backend: Backend, documents: Sequence[Ref]) -> Sequence[Hashable]:
    """Whose answers these are. What a backend's own code raises at that may hold anything, and ends here.

    Raises:
        ConfigurationError: The backend does not say it.
    """
    try:
        identities = tuple(backend.identities(documents))
        hash(identities)
    except SecretSourceError:
        raise
    except Exception as error:  # noqa: BLE001 - it is somebody else's code
        identities, fault = (), type(error).__name__
    else:
        fault = f"{len(identities)} identities for {len(documents)} refs"
    if len(identities) != len(documents):
        raise ConfigurationError(f"{type(backend).__name__} does not say whose answer it is: {fault}")
    return identities


def missing_extra(scheme: str) -> MissingExtra | None:
    """What to install for a built-in scheme whose SDK comes with an extra, or None."""
    extra = BUILT_IN.get(scheme, ("", None))[1]
    return MissingExtra(scheme, extra) if extra else None


def close_all() -> None:
    """Close every backend that was made in this process."""
    for backend in _backends.drain():
        backend.close()
