"""An SMTP connection, octet by octet, and the replies that come over it."""
import functools
import os
import re
import socket
import ssl

SLOW = float(os.environ.get("EKIDEN_SLOW", "1"))
LOOPBACK = "127.0.0.1"


@functools.cache
def trusting():
    """A client's TLS that believes every certificate; one, because making it takes a while."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Reply:
    """An SMTP reply: code, and the lines without it."""

    def __init__(self, code, lines):
        self.code, self.lines = code, lines

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def enhanced(self):
        found = re.match(r"([245]\.\d+\.\d+)", self.lines[0] if self.lines else "")
        return found.group(1) if found else ""

    def __repr__(self):
        return f"{self.code} {' / '.join(self.lines)}"


class Closed(Exception):
    """The relay closed the connection where a reply was expected."""


class Wire:
    """One SMTP connection, octet by octet, for dialogues that no library would hold."""

    def __init__(self, port, host=LOOPBACK, timeout=10.0, source=None):
        self.sock = socket.create_connection((host, port), timeout * SLOW,
                                             source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def close(self):
        self.sock.close()

    def send(self, octets):
        self.sock.sendall(octets.encode() if isinstance(octets, str) else octets)

    def _line(self):
        while b"\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed(f"connection closed after {self.buffer!r}")
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise AssertionError(f"a reply line without CRLF: {line!r}")
        return line[:-1].decode("utf-8", "replace")

    def reply(self):
        lines = []
        while True:
            line = self._line()
            if not re.match(r"[2-5]\d\d([ -]|$)", line):
                raise AssertionError(f"no reply: {line!r}")
            lines.append(line[4:])
            if line[3:4] != "-":
                return Reply(int(line[:3]), lines)

    def command(self, line):
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def greet(self, name="client.test"):
        """Reads the banner and says EHLO; gives the extensions as {KEYWORD: parameters}."""
        banner = self.reply()
        if banner.code != 220:
            raise AssertionError(f"no welcome: {banner}")
        return self.ehlo(name)

    def ehlo(self, name="client.test"):
        answer = self.command(f"EHLO {name}")
        if answer.code != 250:
            raise AssertionError(f"EHLO refused: {answer}")
        words = [line.split(" ", 1) for line in answer.lines[1:]]
        return {w[0].upper(): (w[1] if len(w) > 1 else "") for w in words}

    def start_tls(self, context=None):
        """The handshake, after the 220 of STARTTLS or at once."""
        self.sock = (context or trusting()).wrap_socket(self.sock, server_hostname="relay.test")

    def is_closed(self, timeout=5.0):
        """True when the relay closes within `timeout`; what it still says is dropped."""
        self.sock.settimeout(timeout * SLOW)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except (TimeoutError, socket.timeout):
            return False

    def transaction(self, sender, recipients, body):
        """MAIL to the final reply, one command at a time; the final reply."""
        reply = self.command(f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            if reply.code < 300:
                reply = self.command(f"RCPT TO:<{recipient}>")
        if reply.code < 300:
            reply = self.command("DATA")
        if reply.code != 354:
            return reply
        self.send(body.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        return self.reply()
