"""Runs in a network and a mount namespace of its own, started by dkim_test.py: a DNS at
127.0.0.1:53, a resolv.conf that names it, and opendkim-testmsg over every message of a folder.
Prints what it said of each; nothing means that it verified."""
import fcntl
import json
import pathlib
import socket
import socketserver
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenarios"))

from nameserver import NameServer  # noqa: E402

SIOCSIFFLAGS, IFF_UP, IFF_LOOPBACK = 0x8914, 0x1, 0x8


def main(program, folder):
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS,
                    struct.pack("16sh14x", b"lo", IFF_UP | IFF_LOOPBACK))
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:2\n")
    subprocess.run(["mount", "--bind", resolv, "/etc/resolv.conf"], check=True)
    records = json.loads((folder / "records.json").read_text())
    names = NameServer({(name, "TXT"): [" ".join(f'"{text[at:at + 255]}"'
                                                 for at in range(0, len(text), 255))]
                        for name, text in records.items()})

    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(names.answer(self.request[0]), self.client_address)

    server = socketserver.ThreadingUDPServer(("127.0.0.1", 53), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said = {}
    for file in sorted(folder.glob("*.eml")):
        done = subprocess.run([program, "-t", folder], input=file.read_bytes(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        said[file.name] = done.stdout.decode(errors="replace").strip() or \
            (f"status {done.returncode}" if done.returncode else "")
    print(json.dumps(said))
    server.shutdown()
    names.stop()


main(sys.argv[1], pathlib.Path(sys.argv[2]))
