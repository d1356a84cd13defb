"""What gcc's --coverage noted of an object file: .gcno, its functions' flow graphs, and .gcda, how
often their arcs were taken. Format of gcc 12 (gcc/gcov-io.h), lengths in octets.

gcov itself leaves out what it takes for the compiler's own functions, and the bodies of coroutines
are among them: half of inbound and delivery.
"""
import collections
import os
import struct

FUNCTION, BLOCKS, ARCS, LINES, COUNTERS = 0x01000000, 0x01410000, 0x01430000, 0x01450000, 0x01A10000
ON_TREE, FAKE, FALLTHROUGH = 1, 2, 4


class Arc:
    def __init__(self, source, target, flags):
        self.source, self.target, self.flags = source, target, flags
        self.count = None
        self.is_throw = False

    is_fake = property(lambda self: self.flags & FAKE)


class Function:
    def __init__(self, name, file, line, end, is_artificial):
        self.name, self.file, self.line, self.end = name, file, line, end
        self.is_artificial = is_artificial
        self.arcs = []
        self.lines = collections.defaultdict(list)  # block: (file, line)
        self.blocks = 0

    def outs(self):
        outs = collections.defaultdict(list)
        for arc in self.arcs:
            outs[arc.source].append(arc)
        return outs

    def mark_throws(self, outs):
        """A call leaves its block by its end, or by an exception; the block's fake arc tells it."""
        for arcs in outs.values():
            if any(arc.is_fake for arc in arcs):
                for arc in arcs:
                    arc.is_throw = not arc.is_fake and not arc.flags & FALLTHROUGH

    def usual(self, outs):
        """Blocks that are reached without any exception."""
        seen, todo = {0}, [0]
        while todo:
            for arc in outs[todo.pop()]:
                if not arc.is_fake and not arc.is_throw and arc.target not in seen:
                    seen.add(arc.target)
                    todo.append(arc.target)
        return seen

    def solve(self, counts):
        """What enters a block leaves it: that gives the arcs that were not counted."""
        for arc in self.arcs:
            if not arc.flags & ON_TREE:
                arc.count = next(counts)
        ins, outs = collections.defaultdict(list), collections.defaultdict(list)
        for arc in self.arcs:
            outs[arc.source].append(arc)
            ins[arc.target].append(arc)
        totals = {}
        # Entry is block 0 and exit block 1: nothing flows into the one or out of the other.
        todo = list(range(self.blocks))
        while todo:
            again = []
            for block in todo:
                for arcs, is_open in ((ins[block], block == 0), (outs[block], block == 1)):
                    if not is_open and block not in totals and all(a.count is not None for a in arcs):
                        totals[block] = sum(a.count for a in arcs)
                is_done = block in totals
                for arcs, is_open in ((ins[block], block == 0), (outs[block], block == 1)):
                    missing = [a for a in arcs if a.count is None]
                    if len(missing) == 1 and block in totals and not is_open:
                        missing[0].count = max(0, totals[block] - sum(
                            a.count for a in arcs if a.count is not None))
                        missing = []
                    is_done = is_done and not missing
                if not is_done:
                    again.append(block)
            if len(again) == len(todo):
                known = sum(1 for a in self.arcs if a.count is None)
                if known == getattr(self, "_left", None):
                    break
                self._left = known
            todo = again
        for arc in self.arcs:
            arc.count = arc.count or 0
        return [totals.get(block, 0) for block in range(self.blocks)]


class Reader:
    def __init__(self, octets):
        self.octets, self.at = octets, 0

    def u32(self):
        self.at += 4
        return struct.unpack_from("<I", self.octets, self.at - 4)[0]

    def text(self):
        size = self.u32()
        self.at += size
        return self.octets[self.at - size : self.at].rstrip(b"\0").decode()

    def records(self):
        while self.at + 8 <= len(self.octets):
            tag, size = self.u32(), self.u32()
            if tag == 0:
                return
            start = self.at
            yield tag, struct.unpack("<i", struct.pack("<I", size))[0]
            self.at = start + (size if size < 1 << 31 else 0)


def read(notes, data):
    """Every function with its blocks' counts: (Function, counts of blocks)."""
    reader = Reader(open(notes, "rb").read())
    reader.at = 16
    folder = reader.text()
    reader.u32()
    functions, function = {}, None
    for tag, size in reader.records():
        end = reader.at + size
        if tag == FUNCTION:
            ident = reader.u32()
            reader.at += 8
            name, is_artificial = reader.text(), reader.u32() != 0
            file = reader.text()
            line, _, last = reader.u32(), reader.u32(), reader.u32()
            function = functions[ident] = Function(name, file, line, last, is_artificial)
        elif tag == BLOCKS:
            function.blocks = reader.u32()
        elif tag == ARCS:
            source = reader.u32()
            while reader.at < end:
                function.arcs.append(Arc(source, reader.u32(), reader.u32()))
        elif tag == LINES:
            block, file = reader.u32(), ""
            while reader.at < end:
                number = reader.u32()
                if number:
                    function.lines[block].append((file, number))
                else:
                    file = reader.text()
                    if not file:
                        break
    counted = {}
    ident, stamp = None, reader.octets[8:12]
    reader = Reader(open(data, "rb").read() if os.path.exists(data) else b"")
    # One of an earlier build counts for nothing.
    reader.at = 16 if reader.octets[8:12] == stamp else len(reader.octets)
    for tag, size in reader.records():
        if tag == FUNCTION:
            ident = reader.u32() if size > 0 else None
        elif tag == COUNTERS and ident is not None:
            n = abs(size) // 8
            counted[ident] = struct.unpack_from(f"<{n}Q", reader.octets, reader.at) if size > 0 else (0,) * n
    for ident, function in functions.items():
        outs = function.outs()
        function.mark_throws(outs)
        zeros = sum(1 for arc in function.arcs if not arc.flags & ON_TREE)
        yield folder, function, function.solve(iter(counted.get(ident, (0,) * zeros)))
