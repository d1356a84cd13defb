"""An HTTPS server of MTA-STS policies (RFC 8461) that answers as the test says."""
import http.server
import threading

LOOPBACK = "127.0.0.1"


def policy(mode, *mx, max_age=604800):
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in mx),
             f"max_age: {max_age}"]
    return "".join(line + "\r\n" for line in lines)


class HttpsServer:
    """Serves with a handler of http.server's kind, over TLS, on a port of its own."""

    def __init__(self, context, handler):
        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client_address):
                # In the connection's own thread: a handshake that fails is that connection's.
                try:
                    with context.wrap_socket(request, server_side=True) as secured:
                        super().finish_request(secured, client_address)
                except OSError:
                    pass

        self._server = Server((LOOPBACK, 0), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class PolicyServer(HttpsServer):
    """`policies` maps a domain to the file's text, or to (status, headers, body)."""

    def __init__(self, context):
        self.policies, self.requests = {}, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].partition(":")[0]
                server.requests.append((host, self.path))
                found = server.policies.get(host.removeprefix("mta-sts."))
                if found is None or self.path != "/.well-known/mta-sts.txt":
                    found = (404, {"Content-Type": "text/plain"}, "no policy here\r\n")
                elif isinstance(found, str):
                    found = (200, {"Content-Type": "text/plain"}, found)
                status, headers, body = found
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *arguments):
                pass

        super().__init__(context, Handler)
