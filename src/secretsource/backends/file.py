"""`file:///run/secrets/db`: a file that holds one secret, as Docker, Kubernetes and systemd mount them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretsource.backend import Advice, Backend, Outcome, SecretValue
from secretsource.backends._files import UnfitFile, advice_on, outcome_of, read_each, read_secret_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretsource.clock import Deadline
    from secretsource.ref import Ref

__all__ = ["FileBackend", "UnfitFile", "read_secret_file"]


class FileBackend(Backend):
    """Reads regular files of 1 MiB at most. One line end at the end of the file goes, unless `?strip=false`.

    What is UTF-8 comes as text, anything else as bytes. A file that everybody may write to is refused: anybody could
    have put the secret there.
    """

    scheme = "file"
    options = frozenset({"strip"})
    local = True

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:  # noqa: ARG002 - a local file does not keep anybody waiting
        """Read each file. A file that is not there comes as its FileNotFoundError."""
        return read_each(refs, lambda ref: read_secret_file(ref.location, strip=ref.options.get("strip") != "false"))

    def classify(self, error: Exception) -> Outcome:
        """By the table in `_files`."""
        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:
        """What is wrong with the file, and what to do."""
        return advice_on(error)
