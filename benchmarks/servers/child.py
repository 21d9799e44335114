"""A server in a child process: its first line of output says where it is, and each line sent to it is an order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Child:
    """The side of the benchmark.

    Args:
        module: The module that is run.
        arguments: Its arguments.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said: Any = self._answer()

    def order(self, what: str) -> Any:
        """Give an order, and hand back what it comes to."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def obey(start: object, orders: Mapping[str, Callable[[], object]]) -> None:
    """The side of the child: say something, then do what is ordered until nobody is there any more."""
    print(json.dumps(start), flush=True)
    for line in sys.stdin:
        print(json.dumps(orders[line.strip()]()), flush=True)
