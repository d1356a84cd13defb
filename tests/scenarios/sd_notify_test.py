"""Goal: systemd hears READY, RELOADING and STOPPING when they are true.
Method: a datagram socket in NOTIFY_SOCKET."""
import signal
import socket

import support
from support import eventually


class SdNotify(support.Scenario):
    def test_the_states_are_told(self):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(0.05)
            said = []

            def heard(word):
                try:
                    said.append(notify.recv(4096).decode())
                except TimeoutError:
                    pass
                return any(word in one for one in said)
            relay = self.relay()
            relay.wrapper = ("env", f"NOTIFY_SOCKET={path}")
            relay.start()
            eventually(lambda: heard("READY=1"), 10)
            relay.process.signal(signal.SIGHUP)
            eventually(lambda: heard("RELOADING=1"), 5)
            relay.process.signal(signal.SIGTERM)
            eventually(lambda: heard("STOPPING=1"), 5)
            self.assertEqual(relay.process.wait(), 0)

    def test_a_socket_that_is_not_there_is_no_reason_to_fail(self):
        relay = self.relay()
        relay.wrapper = ("env", "NOTIFY_SOCKET=/nowhere/notify")
        relay.start()
        self.assertHealthy(relay)


if __name__ == "__main__":
    support.main()
