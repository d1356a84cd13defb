"""Proxies on loopback that a source's connections go through: SOCKS5 (RFC 1928, RFC 1929), and one
that reads PROXY headers of version 2 as HAProxy does."""
import ipaddress
import socket
import struct
import threading

LOOPBACK = "127.0.0.1"


class Proxy:
    """Takes connections until `stop`; `asked` has the destination of each that asked for one."""

    def __init__(self):
        self.asked, self.sources, self.logins = [], [], []
        self._server = socket.create_server((LOOPBACK, 0))
        self.port = self._server.getsockname()[1]
        self.address = f"{LOOPBACK}:{self.port}"
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self):
        # A thread in accept() would keep the port open.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _run(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            client.settimeout(30)
            far = self.open(client)
            if far is not None:
                threading.Thread(target=self._pump, args=(far, client), daemon=True).start()
                self._pump(client, far)
        except (OSError, struct.error, ValueError):
            pass
        finally:
            client.close()

    @staticmethod
    def _pump(source, sink):
        try:
            while octets := source.recv(65536):
                sink.sendall(octets)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def take(client, count):
        octets = client.recv(count, socket.MSG_WAITALL)
        if len(octets) != count:
            raise OSError("too short")
        return octets


class Socks5(Proxy):
    """`login`: (username, password) that is wanted; `reply`: what CONNECT is answered with."""

    def __init__(self, login=None, reply=0):
        self.login, self.reply = login, reply
        super().__init__()

    def open(self, client):
        version, count = self.take(client, 2)
        methods = self.take(client, count)
        wanted = 2 if self.login else 0
        if version != 5 or wanted not in methods:
            client.sendall(b"\x05\xff")
            return None
        client.sendall(bytes([5, wanted]))
        if self.login:
            self.take(client, 1)
            name = self.take(client, self.take(client, 1)[0]).decode()
            password = self.take(client, self.take(client, 1)[0]).decode()
            self.logins.append(name)
            is_right = (name, password) == self.login
            client.sendall(bytes([1, 0 if is_right else 1]))
            if not is_right:
                return None
        version, command, _, kind = self.take(client, 4)
        octets = {1: 4, 4: 16}.get(kind)
        if octets is None or command != 1:
            client.sendall(b"\x05\x08\x00\x01" + b"\0" * 6)
            return None
        host = str(ipaddress.ip_address(self.take(client, octets)))
        port, = struct.unpack("!H", self.take(client, 2))
        self.asked.append((host, port))
        if self.reply:
            client.sendall(bytes([5, self.reply, 0, 1]) + b"\0" * 6)
            return None
        try:
            far = socket.create_connection((host, port), 10)
        except OSError:
            client.sendall(b"\x05\x05\x00\x01" + b"\0" * 6)
            return None
        client.sendall(b"\x05\x00\x00\x01" + socket.inet_aton(LOOPBACK) + b"\0\0")
        return far


class HaProxy(Proxy):
    """Leaves from the address that the header names, as `source 0.0.0.0 usesrc clientip` does."""

    def open(self, client):
        head = self.take(client, 16)
        if head[:12] != b"\r\n\r\n\0\r\nQUIT\n" or head[12] != 0x21 or head[13] != 0x11:
            return None
        body = self.take(client, struct.unpack("!H", head[14:])[0])
        source, destination = (socket.inet_ntoa(body[i:i + 4]) for i in (0, 4))
        port, = struct.unpack("!H", body[10:12])
        self.asked.append((destination, port))
        self.sources.append(source)
        return socket.create_connection((destination, port), 10, (source, 0))
