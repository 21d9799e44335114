"""Third parties' backends, by an entry point of their scheme's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import secretsource
import secretsource.backends.memory
from secretsource import ConfigurationError, MissingExtra, Settings, SettingsConfigDict, UnknownBackend
from secretsource.cli import main

MODULE = """
from secretsource import Backend, Outcome, SecretValue

class Mine(Backend):
    scheme = "{scheme}"
    options = frozenset({{"colour"}})

    def fetch_many(self, refs, deadline):
        return {{ref: SecretValue("from " + ref.location) for ref in refs}}

    def classify(self, error):
        return Outcome.UNAVAILABLE
"""


def install(folder: Path, scheme: str, package: str, module: str = MODULE) -> None:
    """What pip would leave behind of a package with one backend."""
    (folder / f"{package}.py").write_text(module.format(scheme=scheme))
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[secretsource.backends]\n{scheme} = {package}:Mine\n")


@pytest.mark.parametrize("scheme", ["mine", "vaultx", "aws-smx"])
def test_an_installed_backend_answers_to_its_scheme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Also where it looks like a mistyped one of ours: in a ref, a chain and a pointer."""
    package = f"backend_{scheme.replace('-', '_')}"
    install(tmp_path, scheme, package)
    monkeypatch.syspath_prepend(tmp_path)

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", f"{scheme}://store/{{name}}?colour=red"))
        chained: str
        pointed: str

    monkeypatch.setenv("POINTED", f"ref+{scheme}://a")
    assert secretsource.get(f"{scheme}://x") == "from x"
    assert (S().chained, S().pointed) == ("from store/chained", "from a")
    with pytest.raises(ConfigurationError, match="unknown option 'size'"):
        secretsource.get(f"{scheme}://x?size=1")


def test_an_installed_backend_never_stands_in_for_a_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry point is not even looked at."""
    install(tmp_path, "memory", "backend_of_memory")
    monkeypatch.syspath_prepend(tmp_path)
    secretsource.backends.memory.MemoryBackend().set("x", "ours")
    assert secretsource.get("memory://x") == "ours"


def test_two_packages_with_one_scheme_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one is meant is not for us to say."""
    install(tmp_path, "double", "backend_one")
    install(tmp_path, "double", "backend_two")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match="several installed packages answer to double://"):
        secretsource.get("double://x")


FAULTS = {
    "import secretsource_nowhere": "ModuleNotFoundError of secretsource_nowhere",
    "raise ModuleNotFoundError": "ModuleNotFoundError",
    "raise ValueError('canary')": "ValueError",
    "class Mine:\n    def __init__(self, needed): ...": "TypeError",
    "Other = 1": "AttributeError",
}


LACKS_ITS_SDK = """
from secretsource.backend import needs_extra

with needs_extra("shelf", "http", "shelf-secrets"):
    import secretsource_nowhere
"""


@pytest.mark.parametrize("module", FAULTS)
def test_an_installed_backend_that_cannot_be_had_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """By its scheme, its entry point and the kind of its error, and by nothing else of it; the command exits with 2."""
    package = f"backend_broken_{list(FAULTS).index(module)}"
    install(tmp_path, "broken", package, module)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        secretsource.get("broken://x")
    declared = f"the entry point broken = '{package}:Mine' in the group 'secretsource.backends'"
    assert str(caught.value) == (f"the backend for broken:// cannot be imported or made: {FAULTS[module]} ({declared})")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert CliRunner().invoke(main, ["get", "broken://x"]).exit_code == 2


def test_what_an_installed_backend_says_of_its_configuration_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names its own package."""
    install(tmp_path, "shelf", "backend_shelf", LACKS_ITS_SDK)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"^shelf needs an SDK .*: pip install 'shelf-secrets\[http\]'$"):
        secretsource.get("shelf://x")


def test_what_is_not_installed_is_told_by_the_variable_that_points_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pointer is a value, so it is its field's problem: beside all others."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        pointed: str
        absent: str

    monkeypatch.setenv("POINTED", "ref+nowhere://a")
    with pytest.raises(secretsource.ResolutionError) as info:
        S()
    first, second = info.value.problems
    assert str(first).startswith("pointed: INVALID env://POINTED: there is no backend for nowhere://")
    assert second.field == "absent"
    with pytest.raises(UnknownBackend):
        secretsource.get("nowhere://a")
