"""An SMTP server that records what it gets and misbehaves exactly as the test says."""
import asyncio
import base64
import re
import ssl
import threading

LOOPBACK = "127.0.0.1"
DROP = object()  # a hook's answer: close the connection without a word
HANG = object()  # a hook's answer: say nothing more, keep the connection open


class Raw:
    """A hook's answer: these octets as they are, no state changes; then perhaps close."""

    def __init__(self, octets, then_drop=False):
        self.octets, self.then_drop = octets, then_drop


class Transaction:
    def __init__(self, session):
        self.session = session
        self.sender, self.parameters = "", ""
        self.recipients = []  # [(address, parameters)]: those accepted
        self.data = b""
        self.used_bdat = False
        self.tls, self.login, self.client = session.tls, session.login, session.client

    @property
    def addresses(self):
        return [address for address, _ in self.recipients]

    @property
    def body(self):
        return self.data.partition(b"\r\n\r\n")[2]

    def header(self, name):
        import email
        return email.message_from_bytes(self.data).get(name)


class Session:
    def __init__(self, number):
        self.number = number
        self.commands = []  # every line, in order
        self.tls = None     # the TLS version, once there is one
        self.is_resumed = False  # an earlier TLS session went on
        self.login = None
        self.rcpt_count = 0
        self.transactions = 0
        self.client = None  # the address that it comes from

    def secured(self, writer):
        layer = writer.get_extra_info("ssl_object")
        self.tls, self.is_resumed = layer.version(), layer.session_reused


class Peer:
    """Listens at once. Hooks: `on("RCPT", hook)` with hook(session, line) giving a reply text
    ("450 4.2.1 later"), None for the usual one, DROP, HANG or Raw. A list is used up in order, then
    the usual replies follow. Hook names are the verbs, and CONNECT and EOD (the final dot).
    """

    def __init__(self, extensions=("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN",
                                   "SMTPUTF8", "SIZE"),
                 tls=None, implicit_tls=False, name="mx.dest.test", logins=None, port=0,
                 address=LOOPBACK):
        self.extensions = list(extensions)
        self.tls, self.implicit_tls, self.name = tls, implicit_tls, name
        self.logins = logins or {}
        self.hooks = {}
        self.sessions, self.transactions = [], []
        self._tasks, self._writers = set(), set()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()

        async def begin():
            context = self.tls if self.implicit_tls else None
            self._server = await asyncio.start_server(self._accept, address, port, ssl=context,
                                                      limit=1 << 26)
            self.port = self._server.sockets[0].getsockname()[1]
            ready.set()

        def run():
            asyncio.set_event_loop(self._loop)
            self._loop.create_task(begin())
            self._loop.run_forever()
            self._loop.close()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the peer did not start")

    def on(self, verb, hook):
        self.hooks[verb] = list(hook) if isinstance(hook, (list, tuple)) else hook
        return self

    def stop(self):
        async def end():
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            for writer in list(self._writers):
                writer.close()
            await asyncio.sleep(0.05)  # for the tasks to end
            self._loop.stop()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(end(), self._loop)
            self._thread.join(10)

    @property
    def received(self):
        return list(self.transactions)

    def recipients(self):
        """Every recipient of every transaction taken, in order."""
        return [address for t in self.received for address in t.addresses]

    def commands(self):
        return [line for session in self.sessions for line in session.commands]

    # From here on everything runs on the loop's thread.

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self._writers.add(writer)
        session = Session(len(self.sessions))
        session.client = writer.get_extra_info("peername")[0]
        self.sessions.append(session)
        if self.implicit_tls:
            session.secured(writer)
        try:
            await self._talk(session, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError,
                asyncio.LimitOverrunError, OSError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)
            self._writers.discard(writer)

    def _hooked(self, verb, session, line):
        hook = self.hooks.get(verb)
        if isinstance(hook, list):
            hook = hook.pop(0) if hook else None
        if callable(hook):
            hook = hook(session, line)
        return hook

    async def _say(self, writer, text):
        writer.write((text + "\r\n").encode("utf-8", "surrogateescape"))
        await writer.drain()

    async def _reply(self, session, writer, verb, line, usual):
        """Sends the hook's reply or the usual one; the code, 0 after raw octets."""
        answer = self._hooked(verb, session, line)
        if answer is DROP:
            raise ConnectionError
        if answer is HANG:
            await asyncio.sleep(3600)
        if isinstance(answer, Raw):
            writer.write(answer.octets)
            await writer.drain()
            if answer.then_drop:
                raise ConnectionError
            return 0
        text = answer if answer is not None else usual
        await self._say(writer, text)
        return int(text[:3])

    async def _talk(self, session, reader, writer):
        if await self._reply(session, writer, "CONNECT", "", f"220 {self.name} ESMTP") >= 400:
            return
        transaction = None
        while True:
            line = (await reader.readuntil(b"\r\n"))[:-2].decode("utf-8", "surrogateescape")
            session.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            argument = line[len(verb) + 1:]

            if verb == "EHLO":
                offered = list(self.extensions)
                if self.tls and not session.tls:
                    offered.append("STARTTLS")
                if self.logins:
                    offered.append("AUTH PLAIN LOGIN")
                lines = [self.name] + offered
                usual = "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{one}"
                                    for i, one in enumerate(lines))
                await self._reply(session, writer, verb, line, usual)
                transaction = None
            elif verb == "HELO":
                await self._reply(session, writer, verb, line, f"250 {self.name}")
            elif verb == "STARTTLS":
                if await self._reply(session, writer, verb, line, "220 go ahead") == 220:
                    await writer.start_tls(self.tls)
                    session.secured(writer)
            elif verb == "AUTH":
                await self._auth(session, reader, writer, line, argument)
            elif verb == "MAIL":
                if await self._reply(session, writer, verb, line, "250 2.1.0 ok") == 250:
                    transaction = Transaction(session)
                    found = re.match(r"FROM:<([^>]*)>\s*(.*)", argument, re.I)
                    transaction.sender, transaction.parameters = found.group(1), found.group(2)
                    session.rcpt_count = 0
            elif verb == "RCPT":
                session.rcpt_count += 1
                usual = "250 2.1.5 ok" if transaction else "503 5.5.1 MAIL first"
                if await self._reply(session, writer, verb, line, usual) in (250, 251):
                    found = re.match(r"TO:<(.*)>\s*([^>]*)$", argument, re.I)
                    transaction.recipients.append((found.group(1), found.group(2)))
            elif verb == "DATA":
                usual = "354 go on" if transaction and transaction.recipients else \
                    "503 5.5.1 no recipients"
                if await self._reply(session, writer, verb, line, usual) == 354:
                    data = bytearray()
                    while (one := await reader.readuntil(b"\r\n")) != b".\r\n":
                        data += one[1:] if one.startswith(b".") else one
                    await self._end(session, writer, transaction, line, bytes(data))
                    transaction = None
            elif verb == "BDAT":
                size, *last = argument.split()
                octets = await reader.readexactly(int(size))
                if transaction is None:
                    await self._say(writer, "503 5.5.1 MAIL first")
                    continue
                transaction.data += octets
                transaction.used_bdat = True
                if last:
                    await self._end(session, writer, transaction, line, transaction.data)
                    transaction = None
                else:
                    await self._reply(session, writer, verb, line, f"250 2.0.0 {size} octets")
            elif verb == "QUIT":
                await self._reply(session, writer, verb, line, "221 2.0.0 bye")
                return
            elif verb in ("RSET", "NOOP"):
                await self._reply(session, writer, verb, line, "250 2.0.0 ok")
                transaction = None if verb == "RSET" else transaction
            else:
                await self._reply(session, writer, verb, line, "500 5.5.2 what?")

    async def _end(self, session, writer, transaction, line, data):
        transaction.data = data
        answer = self._hooked("EOD", session, line)
        refused = isinstance(answer, str) and not answer.startswith("2")
        if not refused:
            # Recorded before the reply: who sees the reply must see the transaction.
            session.transactions += 1
            self.transactions.append(transaction)
        if answer is DROP:
            raise ConnectionError
        if answer is HANG:
            await asyncio.sleep(3600)
        if isinstance(answer, Raw):
            writer.write(answer.octets)
            await writer.drain()
            if answer.then_drop:
                raise ConnectionError
            return
        await self._say(writer, answer or "250 2.0.0 taken")

    async def _auth(self, session, reader, writer, line, argument):
        words = argument.split()

        async def ask(challenge):
            await self._say(writer, "334 " + base64.b64encode(challenge).decode())
            return base64.b64decode(await reader.readuntil(b"\r\n"))

        if words[0].upper() == "PLAIN":
            response = base64.b64decode(words[1]) if len(words) > 1 else await ask(b"")
            _, name, password = response.decode().split("\0")
        else:
            name = (base64.b64decode(words[1]) if len(words) > 1 else
                    await ask(b"Username:")).decode()
            password = (await ask(b"Password:")).decode()
        good = self.logins.get(name) == password
        usual = "235 2.7.0 welcome" if good else "535 5.7.8 no"
        if await self._reply(session, writer, "AUTH", line, usual) == 235:
            session.login = name
