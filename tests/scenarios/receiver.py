"""An HTTP(S) endpoint of webhooks that keeps what it gets and answers as the test says."""
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

LOOPBACK = "127.0.0.1"


class Post:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.time = time.monotonic()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """Of the format standard, batch or not."""
        data = self.json["data"]
        return data["events"] if self.json["type"] == "mail.events" else [data]

    def signatures(self):
        return self.headers["webhook-signature"].split(" ")

    def is_signed_with(self, secret):
        """Standard Webhooks 1.0.0, plainly."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        made = base64.b64encode(hmac.new(key, text + self.body, hashlib.sha256).digest()).decode()
        return f"v1,{made}" in self.signatures()


class Receiver:
    """`answer(post)` gives (status, headers, body), or does with the handler `self.handler` what it
    likes and gives None. The default takes everything."""

    def __init__(self, context=None, answer=None):
        self.posts, self.answer = [], answer or (lambda post: (200, {}, b"ok"))
        self.released = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                post = Post(self.path, self.headers, body)
                post.handler = self
                post.connection = id(self.connection)
                receiver.posts.append(post)
                found = receiver.answer(post)
                if found is None:
                    self.close_connection = True
                    return
                status, headers, octets = found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                try:
                    self.wfile.write(octets)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client_address):
                if context is None:
                    return super().finish_request(request, client_address)
                # In the connection's own thread: a handshake that fails is that connection's.
                try:
                    with context.wrap_socket(request, server_side=True) as secured:
                        super().finish_request(secured, client_address)
                except OSError:
                    pass

            def handle_error(self, request, client_address):
                pass

        self._server = Server((LOOPBACK, 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://{LOOPBACK}:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def taken(self):
        """The events of every post that was answered 2xx, in their order."""
        return [event for post in self.posts for event in post.events
                if self.answer(post)[0] < 300]

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
