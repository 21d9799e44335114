"""A front before moto: it logs what is asked, fails on demand as AWS fails, and refuses what AWS refuses.

    with front.answering("prod/db", AwsError("AccessDeniedException")): ...         # for this secret or parameter
    with front.answering("BatchGetSecretValue", AwsError("ThrottlingException")): ...   # for this operation
    with front.answering("prod/db", HTML): ...                                      # an answer of any kind
    with front.answering("GetSecretValue", lambda call: changed(front.forward(call))): ...

What AWS says of one secret of a batch comes in the batch's `Errors`; what it says of one parameter, of login, load or
its own health is its answer to the whole call.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from secretsource.backends.aws.login import logins
from tests.servers.loopback import CUT, LoopbackServer, Reply, Request
from tests.servers.moto import KEYS, REGION, Moto

JSON = {"Content-Type": "application/x-amz-json-1.1"}
HTML = Reply(body=b"<html>please log in</html>", headers={"Content-Type": "text/html"})
EMPTY = Reply(headers=JSON)
_AT_MOST = {"BatchGetSecretValue": 20, "GetParameters": 10}
_OF_ONE_SECRET = ("AccessDeniedException", "DecryptionFailure", "InvalidRequestException", "ResourceNotFoundException")


@dataclass(frozen=True, slots=True)
class AwsError:
    """An error as AWS words it."""

    code: str
    message: str = "not for your eyes"
    status: int = 400
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def reply(self) -> Reply:
        body = json.dumps({"__type": self.code, "Message": self.message}).encode()
        return Reply(self.status, body, {**JSON, **self.headers})

    @property
    def xml(self) -> Reply:
        """The same as STS words it."""
        error = f"<Error><Type>Sender</Type><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        body = f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{error}</ErrorResponse>'
        return Reply(403, body.encode(), {"Content-Type": "text/xml"})


DELETED = AwsError("InvalidRequestException", "It was marked for deletion, so this operation cannot be done.")


@dataclass(frozen=True, slots=True)
class Call:
    """One request of an SDK."""

    operation: str
    ids: tuple[str, ...]
    key_id: str
    region: str
    arguments: Mapping[str, Any]
    request: Request


Answer = AwsError | Reply | Callable[[Call], Reply]


class AwsFront(LoopbackServer):
    """The front, as a context manager."""

    def __init__(self, moto: Moto) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self.moto = moto
        self.calls: list[Call] = []
        self._answers: dict[str, Answer] = {}

    def count(self, *operations: str) -> int:
        """How many calls there were, of these operations or in all."""
        return sum(not operations or call.operation in operations for call in list(self.calls))

    def operations(self) -> list[str]:
        """What was asked for so far, in order."""
        return [call.operation for call in list(self.calls)]

    def reset(self) -> None:
        super().reset()
        self.calls.clear()
        self._answers.clear()

    @contextmanager
    def answering(self, where: str, answer: Answer) -> Iterator[None]:
        """While inside, answer so for this operation, secret or parameter."""
        self._answers[where] = answer
        try:
            yield
        finally:
            del self._answers[where]

    def answer(self, request: Request) -> Reply:
        call = _call(request)
        self.calls.append(call)
        if len(call.ids) > _AT_MOST.get(call.operation, len(call.ids)):
            return AwsError("ValidationException", "Member must have length less than or equal to").reply
        if call.operation in self._answers:
            return self._say(self._answers[call.operation], call)
        faults = {one: self._answers[one] for one in call.ids if one in self._answers}
        apart = {one: fault for one, fault in faults.items() if _goes_into_errors(call, fault)}
        for one, fault in faults.items():
            if one not in apart:
                return self._say(fault, call)
        return self._with_errors(call, apart) if apart else self.forward(call)

    def _say(self, answer: Answer, call: Call) -> Reply:
        if isinstance(answer, AwsError):
            return answer.xml if call.operation.startswith("AssumeRole") else answer.reply
        return answer if isinstance(answer, Reply) else answer(call)

    def _with_errors(self, call: Call, apart: Mapping[str, Any]) -> Reply:
        answer: dict[str, list[object]] = {"SecretValues": [], "Errors": []}
        if rest := [one for one in call.ids if one not in apart]:
            answer = json.loads(self.forward(call, SecretIdList=rest).body)
        answer["Errors"] += [
            {"SecretId": one, "ErrorCode": fault.code, "Message": fault.message} for one, fault in apart.items()
        ]
        return Reply(body=json.dumps(answer).encode(), headers=JSON)

    def forward(self, call: Call, **changes: object) -> Reply:
        """What moto says; with some arguments changed, if wanted."""
        body = json.dumps({**call.arguments, **changes}).encode() if changes else call.request.body
        headers = {**call.request.headers, "host": f"127.0.0.1:{self.moto.port}", "content-length": str(len(body))}
        connection = http.client.HTTPConnection("127.0.0.1", self.moto.port, timeout=30)
        try:
            connection.request(call.request.method, call.request.path, body, headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})
        finally:
            connection.close()


def changed(reply: Reply, change: Callable[[Any], None]) -> Reply:
    """A JSON answer after a change to it."""
    document = json.loads(reply.body)
    change(document)
    return replace(reply, body=json.dumps(document).encode())


def cut_in_body(reply: Reply) -> Reply:
    """The answer, status 200 and all, of which the second half of the body does not arrive."""
    return replace(reply, cut=True, keep=len(reply.wire()) - len(reply.body) // 2)


def _goes_into_errors(call: Call, fault: Answer) -> bool:
    return call.operation == "BatchGetSecretValue" and isinstance(fault, AwsError) and fault.code in _OF_ONE_SECRET


def _call(request: Request) -> Call:
    target = request.headers.get("x-amz-target", "").rpartition(".")[2]
    arguments: Mapping[str, Any] = json.loads(request.body) if target else request.form
    credential = re.search(r"Credential=([^/,]+)/\d+/([^/,]+)", request.headers.get("authorization", ""))
    key_id, region = credential.groups() if credential else ("", "")
    return Call(target or arguments.get("Action", ""), _ids(arguments), key_id, region, arguments, request)


def _ids(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    several: Sequence[str] = arguments.get("SecretIdList") or arguments.get("Names") or ()
    one = arguments.get("SecretId") or arguments.get("Name")
    return (*several, *((one,) if one else ()))


FAULT_OF: Mapping[str, AwsError | Reply] = {
    "DENIED": AwsError("AccessDeniedException"),
    "INACTIVE": DELETED,
    "INVALID": HTML,
    "THROTTLED": AwsError("ThrottlingException", headers={"Retry-After": "1"}),
    "UNAUTHENTICATED": AwsError("UnrecognizedClientException"),
    "UNAVAILABLE": CUT,
}
"""What AWS answers for each outcome."""


@pytest.fixture(scope="session")
def _aws_front(moto_server: Moto) -> Iterator[AwsFront]:
    with AwsFront(moto_server) as front:
        yield front


@pytest.fixture
def aws(_aws_front: AwsFront, monkeypatch: pytest.MonkeyPatch) -> AwsFront:
    """AWS with nothing in it, behind the front; the environment points to it."""
    _aws_front.moto.reset()
    _aws_front.reset()
    logins.drain()  # those of earlier tests, which are this process's and not a backend's
    for name, value in {**KEYS, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": _aws_front.url}.items():
        monkeypatch.setenv(name, value)
    return _aws_front
