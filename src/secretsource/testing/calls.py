"""The part of the suite that counts calls. What has to be found out first, at the first lookup, is not counted."""

# ruff: noqa: S101 - a suite is made of assertions
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from secretsource.clock import Deadline
from secretsource.testing.harness import FAULTS, SECONDS, SEVERAL, Ability, Harness

if TYPE_CHECKING:
    from secretsource.backend import Backend
    from secretsource.ref import Ref
    from secretsource.testing.harness import Answer


class CountsCalls(Harness):
    """A driver asks its store no more often than it has to."""

    def test_making_one_makes_no_call(self) -> None:
        """Constructing is free, and so are its repr and its identity."""
        ref, before = self.ref(self.stored("value")), self.calls()
        backend = self.new_backend()
        repr(backend)
        assert hash(backend.identity(ref)) == hash(backend.identity(ref))
        assert self.calls() == before

    def test_an_empty_batch_makes_no_call(self) -> None:
        """Nothing asked, nothing sent."""
        backend, before = self.new_backend(), self.calls()
        assert backend.fetch_many([], Deadline(SECONDS)) == {}
        assert self.calls() == before

    def test_one_secret_takes_one_call(self) -> None:
        """Nothing is asked twice."""
        self.need(Ability.ONE_CALL)
        backend, name = self._warm_backend()
        answers, made = self._asked(backend, self.ref(name))
        assert answers == ["value"]
        assert made <= 1, "one secret takes several calls"

    @pytest.mark.parametrize("ability", [Ability.THROTTLED, Ability.CUT], ids=lambda ability: ability.name)
    def test_a_failure_is_not_tried_again(self, ability: Ability) -> None:
        """The core does that, which knows how much time there is."""
        self.need(ability)
        self.need(Ability.ONE_CALL)
        backend, name = self._warm_backend()
        with self.failing(name, FAULTS[ability]):
            answers, made = self._asked(backend, self.ref(name))
        assert answers == [FAULTS[ability]]
        assert made <= 1, "a failure is tried again"

    def test_a_batch_saves_calls(self) -> None:
        """A store that gives several secrets at once is asked for several at once."""
        self.need(Ability.BATCH)
        refs = [self.ref(self.stored("value")) for _ in range(SEVERAL)]
        backend, _ = self._warm_backend()
        answers, made = self._asked(backend, *refs)
        assert answers == ["value"] * SEVERAL
        if not made:
            raise self._not_filled_in("calls()", Ability.BATCH)
        assert made < SEVERAL, "as many calls as secrets"

    def _warm_backend(self) -> tuple[Backend, str]:
        """A backend that is logged in and connected, and a name that it has read."""
        backend, name = self.new_backend(), self.stored("value")
        self.read(backend, name)
        return backend, name

    def _asked(self, backend: Backend, *refs: Ref) -> tuple[list[Answer], int]:
        """What one batch says of each ref, and how many calls that took."""
        before = self.calls()
        answers = self.ask(backend, *refs)
        return answers, self.calls() - before
