"""The command line: `secretsource get|explain|check`.

What a command needs beyond click is imported when it runs, so that `--help` and `get REF` start fast.
"""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def _tell_what_to_install() -> NoReturn:
    sys.stderr.write("secretsource: the command line needs click: pip install 'secretsource[cli]'\n")
    sys.exit(2)


try:
    from secretsource.cli.program import main
except ModuleNotFoundError as error:
    if error.name != "click":
        raise
    main = _tell_what_to_install  # type: ignore[assignment]  # the script calls it, and nothing else
