"""From: what one field says about where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from secretsource.errors import ConfigurationError


@dataclass(frozen=True, slots=True, init=False)
class From:
    """Steer one field, inside `Annotated`.

    >>> From("aws-sm://prod/db#password")
    From('aws-sm://prod/db#password')
    >>> From(name="mail/password", never="env")
    From(name='mail/password', never=('env',))

    Attributes:
        sources: Sources of its own, in place of the class's chain. One without a placeholder is taken as it stands.
        name: What stands for `{name}`, in place of the field's name.
        only: The only backends (schemes) that may supply it, or None for all.
        never: Backends that may not.
    """

    sources: tuple[str, ...]
    name: str | None
    only: tuple[str, ...] | None
    never: tuple[str, ...]

    def __init__(
        self,
        *sources: str,
        name: str | None = None,
        only: str | tuple[str, ...] | None = None,
        never: str | tuple[str, ...] | None = None,
    ) -> None:
        if name is not None and not (isinstance(name, str) and name.isprintable() and name.strip("/")):
            msg = "From(name=...) takes the name that stands for {name}"
            raise ConfigurationError(msg)
        if not all(isinstance(source, str) for source in sources):
            msg = "From(...) takes sources, each a text such as 'vault://kv/shop#{name}'"
            raise ConfigurationError(msg)
        for key, schemes in (("only", only), ("never", never)):
            several = () if schemes is None else _several(schemes)
            if not isinstance(several, tuple) or not all(isinstance(one, str) for one in several):
                msg = f"From({key}=...) takes backends by their schemes, such as ('vault', 'aws-sm')"
                raise ConfigurationError(msg)
        put = object.__setattr__
        put(self, "sources", sources)
        put(self, "name", name)
        put(self, "only", None if only is None else _several(only))
        put(self, "never", () if never is None else _several(never))

    def allows(self, scheme: str) -> bool:
        """Whether a backend may supply the field."""
        return scheme not in self.never and (self.only is None or scheme in self.only)

    @property
    def steers(self) -> bool:
        """Whether it says where the field comes from, and not only under which name."""
        return bool(self.sources or self.never) or self.only is not None

    def __repr__(self) -> str:
        given = [repr(source) for source in self.sources]
        given += [f"{key}={value!r}" for key in ("name", "only", "never") if (value := getattr(self, key))]
        return f"From({', '.join(given)})"


def _several(schemes: Any) -> Any:
    if isinstance(schemes, str):
        return (schemes,)
    return tuple(schemes) if isinstance(schemes, list | tuple | set | frozenset) else None
