"""The SDK's data files, read by us: the same as by the SDK."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

from secretsource.backends.aws.data import Files, Services, use_quick_files

SERVICES = ("secretsmanager", "ssm", "sts", "sso", "sso-oidc")


@pytest.mark.parametrize("name", ["endpoints", "partitions", "sdk-default-configuration"])
def test_a_file_has_the_same_in_the_same_order(name: str) -> None:
    """Down to the last table in it."""
    path = str(Path(Loader.BUILTIN_DATA_PATH, name))
    assert repr(Files().load_file(path)) == repr(plain(JSONFileLoader().load_file(path)))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_the_same(service: str) -> None:
    """Those of the secrets, and those that a login needs."""
    ours, theirs = Services(file_loader=Files()), Loader()
    assert ours.load_service_model(service, "service-2") == theirs.load_service_model(service, "service-2")


def test_every_service_of_the_sdk_is_there() -> None:
    """So that no login that needs another one is refused."""
    assert set(Services().list_available_services("service-2")) >= set(Loader().list_available_services("service-2"))


def test_a_file_that_is_not_there_is_none() -> None:
    """The SDK tries several."""
    assert Files().load_file("/nowhere/at-all") is None


def test_a_folder_of_the_users_own_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As AWS_DATA_PATH says."""
    (tmp_path / "partitions.json").write_text('{"mine": true}')
    monkeypatch.setenv("AWS_DATA_PATH", f"{tmp_path}:/nowhere")
    session = Session()
    use_quick_files(session)
    assert session.get_component("data_loader").load_data("partitions") == {"mine": True}


def plain(value: object) -> object:
    """The same without OrderedDicts."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
