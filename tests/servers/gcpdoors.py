"""The service behind `tests.servers.gcpsm`, run as a program of its own: `gcpstore` behind gRPC and REST.

Both are made from the SDK's own messages and served at one address, as Google does. The plain address takes anybody, as
an emulator does; the TLS address wants a token that `gcpauth` handed out. At the plain one logins are served too, and
the test steers.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import grpc
from google.cloud.secretmanager_v1.types import resources, service
from google.protobuf import any_pb2, duration_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.servers import gcpauth
from tests.servers.gcpstore import LIMIT, Refused, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HTTP = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
         "NOT_FOUND": 404, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNIMPLEMENTED": 501,
         "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504}  # fmt: skip


def details(refused: Refused) -> list[any_pb2.Any]:
    if refused.retry_after is None:
        return []
    wait = duration_pb2.Duration()
    wait.FromMilliseconds(int(refused.retry_after * 1000))
    packed = any_pb2.Any()
    packed.Pack(error_details_pb2.RetryInfo(retry_delay=wait))
    return [packed]


class GrpcDoor(grpc.GenericRpcHandler):  # type: ignore[misc] # gRPC has no types
    """Any method of the service, counted, with the SDK's own messages."""

    _messages: ClassVar[dict[str, tuple[Any, Any]]] = {
        "AccessSecretVersion": (service.AccessSecretVersionRequest, service.AccessSecretVersionResponse),
        "ListSecrets": (service.ListSecretsRequest, service.ListSecretsResponse),
    }

    def __init__(self, served: Service, hang_up: Callable[[], None], *, guarded: bool) -> None:
        self._served, self._hang_up, self._guarded = served, hang_up, guarded

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = handler_call_details.method.rpartition("/")[2]
        asked, answered = self._messages.get(method, (service.GetSecretRequest, resources.Secret))

        def handle(message: Any, context: grpc.ServicerContext) -> Any:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            try:
                routed = parse_qs(metadata.get("x-goog-request-params", "")).get("name")
                if method == "AccessSecretVersion" and routed != [message.name]:
                    raise Refused("INVALID_ARGUMENT", "The routing header does not name the secret.")  # noqa: TRY301
                return self._served.call(method, message, metadata.get("authorization"), guarded=self._guarded)
            except Refused as refused:
                if refused.status == "CUT":
                    self._hang_up()
                    context.abort(grpc.StatusCode.ABORTED, "nobody hears this")
                code = grpc.StatusCode[refused.status].value[0]
                said = status_pb2.Status(code=code, message=refused.message, details=details(refused))
                context.abort_with_status(rpc_status.to_status(said))

        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=asked.deserialize, response_serializer=answered.serialize
        )


class RestDoor(BaseHTTPRequestHandler):
    """The same calls as HTTP and JSON; on the plain door the logins and the test's orders too."""

    protocol_version = "HTTP/1.1"
    served: ClassVar[Service]
    guarded: ClassVar[bool] = False

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        name, _, verb = path.removeprefix("/v1/").partition(":")
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        if not path.startswith("/v1/"):
            self._log_in()
        elif path == gcpauth.POOL_PROJECT:
            self._say(200, {"projectId": gcpauth.PROJECT})
        elif verb == "access":
            self._serve("AccessSecretVersion", service.AccessSecretVersionRequest(name=name))
        elif name.endswith("/secrets"):
            size, page = int(query.get("pageSize", 0)), query.get("pageToken", "")
            self._serve("ListSecrets", service.ListSecretsRequest(parent=name, page_size=size, page_token=page))
        else:
            self._serve("GetSecret", service.GetSecretRequest(name=name))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path != "/steer":
            self._log_in(body)
            return
        try:
            self._say(200, {"answer": self.served.steer(json.loads(body))})
        except Refused as refused:
            self._say(400, {"refused": refused.message})

    def _log_in(self, body: str = "") -> None:
        headers = {name.title(): value for name, value in self.headers.items()}
        said = gcpauth.answer(self.served.store.tokens, self.command, self.path, headers, body)
        said = said or gcpauth.Answer(404, "no such path")
        self._say(said.status, said.body, said.headers)

    def _serve(self, method: str, message: Any) -> None:
        try:
            said = self.served.call(method, message, self.headers.get("Authorization"), guarded=self.guarded)
            self._say(200, json_format.MessageToDict(type(said).pb(said)))
        except Refused as refused:
            if refused.status == "CUT":
                self.close_connection = True
                self.connection.close()
                return
            more = [json_format.MessageToDict(detail) for detail in details(refused)]
            error = {"code": _HTTP[refused.status], "message": refused.message, "status": refused.status}
            headers = {"Retry-After": f"{refused.retry_after:g}"} if refused.retry_after is not None else {}
            self._say(_HTTP[refused.status], {"error": {**error, "details": more}}, headers)

    def _say(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        plain = isinstance(body, str)
        raw = (body if plain else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/text" if plain else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(raw)


_GONE = 0.05  # seconds until a broken connection is sure to be broken


class HttpServer(ThreadingHTTPServer):
    """Takes a burst of connections at once."""

    request_queue_size = 128
    daemon_threads = True


class Front:
    """One address for both: what speaks HTTP/2 goes to gRPC, the rest to REST."""

    def __init__(self, served: Service, *, guarded: bool) -> None:
        door = type("Door", (RestDoor,), {"served": served, "guarded": guarded, "wbufsize": LIMIT})
        rest = HttpServer(("127.0.0.1", 0), door)
        Thread(target=rest.serve_forever, daemon=True).start()
        handler = GrpcDoor(served, self.hang_up, guarded=guarded)
        self._grpc = grpc.server(ThreadPoolExecutor(128), handlers=[handler])
        self._ports = {True: self._grpc.add_insecure_port("127.0.0.1:0"), False: rest.server_address[1]}
        self._grpc.start()
        self._loop = asyncio.get_running_loop()
        self._streams: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        """Break every connection that speaks HTTP/2. Called by a thread that serves one."""
        for writer in list(self._streams):
            self._loop.call_soon_threadsafe(writer.transport.abort)
        time.sleep(_GONE)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(3)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._ports[first == b"PRI"])
            self._streams |= {writer} if first == b"PRI" else set()
            far_writer.write(first)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
        finally:
            self._streams.discard(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way, and the end too."""
    while data := await reader.read(LIMIT):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(certificate: str) -> None:
    """Serve until standard input ends; the first line of output tells the ports."""
    served = Service()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    open_door = await asyncio.start_server(Front(served, guarded=False).take, "127.0.0.1", 0, backlog=256)
    guarded = await asyncio.start_server(Front(served, guarded=True).take, "127.0.0.1", 0, ssl=tls, backlog=256)
    ports = [server.sockets[0].getsockname()[1] for server in (open_door, guarded)]
    print(json.dumps(ports), flush=True)  # noqa: T201 - how the test learns the ports
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
