#!/usr/bin/env python3
"""A connector of rollcall-console/1 whose console is a CSV file.

It is complete, and meant to be read by whoever connects a product: what a
product does is in Table, what the protocol asks is in Connector. Rollcall
starts it, writes requests to its standard input, one JSON object a line, and
reads answers from its standard output. Standard error is its log.

The configuration names the file, relative to the folder of the configuration:

    config = { file = "accounts.csv" }

Its first row names the columns: those of COLUMNS, in any order, and one for
each further attribute, such as display_name. Aliases are separated by spaces.
Columns and rows may be edited by hand; a row that is added needs a ref that no
row had before. Beside it, accounts.csv.ledgers says to which state of rollcall
the accounts of each owner belong.
"""

import collections
import contextlib
import csv
import hashlib
import io
import json
import os
import queue
import secrets
import shutil
import sys
import threading

try:
    import fcntl
except ImportError:  # Windows: leave concurrency at 1 there
    fcntl = None

COLUMNS = ["ref", "primary", "aliases", "type", "status",
           "by", "directory", "guid", "username", "dn"]
TEXTS = ["primary", "type", "status", "username", "dn"]  # fields of one cell
MARK = ["by", "directory", "guid"]                       # those of "owner"

# How the file is opened: line ends stay as they are, and so do bytes that are
# no UTF-8.
EXACTLY = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


class Problem(Exception):
    """An error of the protocol: a code, a message, and what belongs to it."""

    def __init__(self, code, message, **more):
        super().__init__(message)
        self.answer = {"code": code, "message": message, **more}


# ---------------------------------------------------------------- the console

class Row:
    """A row: its cells by column, and its text as it stands in the file."""

    def __init__(self, cells, text):
        self.cells = cells
        self.text = text
        # Any text that changes with the account will do as its rev. This one
        # also changes when the row is edited by hand.
        content = text.encode("utf-8", "surrogateescape")
        self.rev = hashlib.sha256(content).hexdigest()[:16]

    def claims(self):
        """What no other row may have: the addresses, and the mark."""
        addresses = [self.cells["primary"], *self.cells["aliases"].split()]
        claims = [address.lower() for address in addresses if address]
        if any(self.cells[name] for name in MARK):
            claims.append(tuple(self.cells[name].lower() for name in MARK))
        return claims


class Table:
    """The file. Rows that are not changed stay byte for byte as they are."""

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.rows = {}                                # by ref
        self.holders = collections.defaultdict(set)   # refs, by claim
        with open(path, **EXACTLY) as file:
            records = self.records(file)
            names, self.header = next(records, ([], ""))
            self.name_columns(names)
            for values, text in records:
                row = Row(self.cells(values), text)
                ref = row.cells["ref"]
                if not ref or ref in self.rows:
                    raise Problem("config", f"{path}: {row.cells['primary']} needs"
                                  " a ref that no other row has or had")
                self.replace({ref: row})

    def name_columns(self, names):
        self.columns = [name.strip("\ufeff ") for name in names]
        missing = set(COLUMNS) - set(self.columns)
        if missing or len(set(self.columns)) < len(self.columns):
            raise Problem("config", f"{self.path}: the first row must name"
                          f" each of {', '.join(COLUMNS)} once")
        self.attributes = [n for n in self.columns if n not in COLUMNS]
        self.end = "\r\n" if self.header.endswith("\r\n") else "\n"

    def cells(self, values):
        """Name values by their columns; those in excess have the name None."""
        count = len(self.columns)
        cells = dict(zip(self.columns, values + [""] * count))
        cells[None] = values[count:]
        return cells

    @staticmethod
    def records(file):
        """Yield each record of a CSV file with the text it was read from."""
        lines = []

        def feed():
            for line in file:
                lines.append(line)
                yield line

        for values in csv.reader(feed(), strict=True):
            if values:
                yield values, "".join(lines)
            lines.clear()

    def row(self, cells):
        """Make a row of cells."""
        values = [cells[name] for name in self.columns] + cells.get(None, [])
        text = io.StringIO(newline="")
        csv.writer(text).writerow(values)  # ends with \r\n
        return Row(cells, text.getvalue()[:-2] + self.end)

    def replace(self, changed):
        """Put rows in the place of those with their refs; None removes one."""
        for ref, row in changed.items():
            if ref in self.rows:
                for claim in self.rows[ref].claims():
                    self.holders[claim].discard(ref)
            if row is None:
                self.rows.pop(ref, None)
                continue
            self.rows[ref] = row
            for claim in row.claims():
                self.holders[claim].add(ref)

    def save(self):
        """Replace the file as a whole: a crash leaves the old or the new."""
        texts = [self.header, *(row.text for row in self.rows.values())]
        with replacing(self.path) as file:
            shutil.copymode(self.path, file.name)
            for text in texts:
                ended = text.endswith(("\r", "\n"))
                file.write(text if ended else text + self.end)


class Ledgers:
    """The file beside it: a JSON object of texts, by owner."""

    def __init__(self, path):
        self.path = os.path.realpath(path) + ".ledgers"
        self.known = {}
        with contextlib.suppress(FileNotFoundError):
            with open(self.path, encoding="utf-8") as file:
                self.known = json.load(file)

    def save(self):
        self.known = {owner: text for owner, text in self.known.items() if text}
        if self.known:
            with replacing(self.path) as file:
                json.dump(self.known, file)
        else:
            os.remove(self.path)


@contextlib.contextmanager
def replacing(path):
    """Write a file beside another, and put it in its place at the end."""
    with open(path + ".new", "w", **EXACTLY) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


@contextlib.contextmanager
def locked(path):
    """Keep other processes of this connector from changing the file."""
    if fcntl is None:
        yield
        return
    # The folder, since the file is another one after each change.
    folder = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


# --------------------------------------------------------------- the protocol

def account(table, row):
    """Return a row as an account of the protocol."""
    cells = row.cells
    mark = {name: cells[name] for name in MARK}
    return {
        "ref": cells["ref"], "rev": row.rev,
        "primary": cells["primary"], "aliases": cells["aliases"].split(),
        "type": cells["type"] or "user", "status": cells["status"] or "active",
        "owner": mark if any(mark.values()) else None,
        "username": cells["username"], "dn": cells["dn"],
        "attributes": {n: cells[n] for n in table.attributes if cells[n]},
    }


def failed(change, problem):
    """Return the answer to a change that was not made."""
    return {"key": change["key"], "error": problem.answer}


def named(claim):
    """Return a claim as people write it."""
    return claim if isinstance(claim, str) else "/".join(claim)


def taken(claim, holder):
    """Return the problem that another account has an address or a mark."""
    more = {"address": claim} if isinstance(claim, str) else {}
    message = f"{holder} has {named(claim)}"
    return Problem("taken", message, holder=holder, **more)


def canonical(key, value):
    """Return the value of a field as a text that is equal where values are.

    Neither order nor letter case counts in addresses, and null is nothing.
    """
    if key == "aliases":
        value = sorted(value or [])
    if key == "attributes":
        value = {n: text for n, text in (value or {}).items() if text}
    text = json.dumps(value, sort_keys=True) if value else ""
    return text.lower() if key in ("primary", "aliases", "owner") else text


class Connector:
    """Answers requests."""

    def __init__(self, requests, answers):
        self.requests = requests
        self.answers = answers
        self.waiting = queue.SimpleQueue()
        self.cancelled = set()  # the ids of requests
        self.ended = False      # no more input
        self.path = None
        self.owner = ""
        self.made = {}          # the answers of changes that were made, by key

    def listen(self):
        """Read requests while others are answered: a cancel must not wait."""
        for line in self.requests:
            if not line.endswith(b"\n"):
                break  # cut off
            try:
                request = json.loads(line)
                kind = request["type"]
                if kind == "cancel":
                    self.cancelled.add(request["target"])
                    continue
            except (ValueError, TypeError, KeyError) as error:
                print("a line is no request:", repr(error), file=sys.stderr)
                break
            self.waiting.put(request)
            if kind == "bye":
                return
        self.ended = True
        self.waiting.put(None)

    def run(self):
        """Answer one request after the other until the input ends."""
        threading.Thread(target=self.listen, daemon=True).start()
        for request in iter(self.waiting.get, None):
            try:
                for answer in self.answer(request):
                    self.send(request, answer)
            except Problem as problem:
                self.send(request, {"error": problem.answer})
            except (OSError, csv.Error) as error:
                problem = Problem("internal", f"{self.path}: {error}")
                self.send(request, {"error": problem.answer})
            self.answers.flush()
            if request["type"] == "bye":
                return

    def send(self, request, answer):
        # json.dumps writes newlines as \n, so that a message is one line.
        line = json.dumps({"id": request["id"], **answer})
        self.answers.write(line.encode() + b"\n")

    def answer(self, request):
        """Return the answers to a request."""
        kinds = {"hello": self.hello, "read": self.read, "get": self.get,
                 "check": self.check, "apply": self.apply, "try": self.attempt,
                 "ledger": self.ledger, "claim": self.claim,
                 "bye": lambda request: [{}]}
        kind = request["type"]
        if kind not in kinds:
            raise Problem("unsupported", f"there is no request {kind!r}")
        if self.path is None and kind not in ("hello", "bye"):
            raise Problem("config", "the first request must be hello")
        return kinds[kind](request)

    def hello(self, request):
        if 1 not in request["protocols"]:
            raise Problem("unsupported", "this is rollcall-console/1 alone")
        path = (request.get("config") or {}).get("file")
        if not path or not os.path.isfile(path):
            raise Problem("config", f"config.file names no file: {path!r}")
        table = Table(path)
        self.path = path
        self.owner = request.get("owner") or ""
        # What is left out of the facts is the default: accounts are users and
        # lists, inactive ones are kept, and a primary may change.
        yield {"protocol": 1, "name": "csv-console", "version": "1.0",
               "facts": {"owner": "stored", "groups": True, "dry_run": True,
                         "ledger": True, "batch": 1000,
                         "stores": ["aliases", "type", "status", "owner",
                                    "username", "dn", *table.attributes]}}

    def read(self, request):
        table = Table(self.path)
        for row in table.rows.values():
            yield {"account": account(table, row)}
        yield {"accounts": len(table.rows), "complete": True}

    def get(self, request):
        table = Table(self.path)
        refs = {ref for ref in request.get("refs") or [] if ref in table.rows}
        for address in request.get("addresses") or []:
            refs |= table.holders.get(address.lower(), set())
        for ref in sorted(refs):
            yield {"account": account(table, table.rows[ref])}
        yield {"accounts": len(refs)}

    def check(self, request):
        def finding(check, status, evidence, remedy=""):
            return {"check": check, "status": status,
                    "evidence": evidence, "remedy": remedy}

        table = Table(self.path)
        findings = [finding("file", "ok", f"{len(table.rows)} accounts")]
        folder = os.path.dirname(table.path)
        if not os.access(folder, os.W_OK):
            findings.append(finding(
                "folder", "failed", f"{folder} cannot be written",
                "give the user who runs rollcall the right to write there"))
        for claim, refs in sorted(table.holders.items(), key=str):
            if len(refs) > 1:
                findings.append(finding(
                    "unique", "failed",
                    f"{named(claim)} is in the rows {', '.join(sorted(refs))}",
                    "leave it in one of them"))
        yield {"findings": findings}

    def apply(self, request):
        """Make changes, save them, and answer only then."""
        with locked(self.path):
            table = Table(self.path)
            answers = self.change(table, request)
            new = {a["key"]: a for a in answers
                   if "ok" in a and a["key"] not in self.made}
            if new:
                table.save()
        self.made.update(new)
        yield from answers
        yield {"done": len(answers)}

    def attempt(self, request):
        """Do as apply does, and do not save."""
        answers = self.change(Table(self.path), request)
        yield from answers
        yield {"done": len(answers)}

    def ledger(self, request):
        yield {"ledger": Ledgers(self.path).known.get(self.owner, "")}

    def claim(self, request):
        """Remember another ledger, if the one that was seen is still there."""
        with locked(self.path):
            ledgers = Ledgers(self.path)
            now = ledgers.known.get(self.owner, "")
            if now != request["was"]:
                raise Problem("changed", f"the ledger of {self.owner} is {now!r}")
            if now != request["ledger"]:
                ledgers.known[self.owner] = request["ledger"]
                ledgers.save()
        yield {}

    def change(self, table, request):
        """Change a table group by group, and return the answers."""
        groups = {}
        for change in request["changes"]:
            number = change.get("group", change["key"])
            groups.setdefault(number, []).append(change)
        answers = []
        for group in groups.values():
            known = [c["key"] for c in group if c["key"] in self.made]
            answers += [self.made[key] for key in known]
            new = [c for c in group if c["key"] not in self.made]
            if self.ended or request["id"] in self.cancelled:
                answers += [failed(c, Problem("cancelled", "it was not begun"))
                            for c in new]
            else:
                answers += self.together(table, new)
        return answers

    def together(self, table, group):
        """Change a table by all of a group or by none, return the answers."""
        rows = {}  # as they will be, by ref
        refs = []  # of the changes
        at = None  # the change at hand
        try:
            for at in group:
                ref, rows[ref] = self.changed(table, at)
                refs.append(ref)
            # Only now: in a ring, each gets what another of the group has.
            claimed = {}
            for at, ref in zip(group, refs):
                for claim in rows[ref].claims() if rows[ref] else []:
                    holders = table.holders.get(claim, set()) - rows.keys()
                    holders |= {claimed.setdefault(claim, ref)} - {ref}
                    if holders:
                        raise taken(claim, min(holders))
        except Problem as problem:
            other = Problem("cancelled", "another change of its group failed")
            return [failed(c, problem if c is at else other) for c in group]
        table.replace(rows)
        answers = []
        for change, ref in zip(group, refs):
            answer = {"key": change["key"], "ok": True}
            if rows[ref]:
                answer.update(ref=ref, rev=rows[ref].rev)
            answers.append(answer)
        return answers

    def changed(self, table, change):
        """Return the ref and the row of a change; None for one that goes."""
        ref, op = change.get("ref"), change["op"]
        row = table.rows.get(ref)
        if op not in ("put", "remove"):
            raise Problem("unsupported", f"there is no change {op!r}")
        if row is None and (ref or op == "remove"):
            raise Problem("gone", f"there is no account {ref}")
        if row:
            self.compare(table, row, change)
        if op == "remove":
            return ref, None
        after = change["after"]
        cells = dict(row.cells) if row else dict.fromkeys(table.columns, "")
        # A random ref is never used again, though rows are removed.
        ref = cells["ref"] = ref or "u-" + secrets.token_hex(8)
        # A key that is absent leaves its field alone, and null clears it.
        for name in TEXTS:
            if name in after:
                cells[name] = after[name] or ""
        if "aliases" in after:
            cells["aliases"] = " ".join(sorted(after["aliases"] or []))
        if "owner" in after:
            for name in MARK:
                cells[name] = (after["owner"] or {}).get(name) or ""
        if "attributes" in after:
            attributes = after["attributes"]
            if attributes is None:
                attributes = dict.fromkeys(table.attributes)
            for name in table.attributes:
                if name in attributes:
                    cells[name] = attributes[name] or ""
        if not cells["primary"]:
            raise Problem("refused", "an account needs a primary")
        return ref, table.row(cells)

    def compare(self, table, row, change):
        """Refuse accounts of others, and those that are not what was read."""
        by = row.cells["by"]
        if by and by != self.owner:
            raise Problem("refused", f"the account belongs to {by}")
        if change.get("rev"):
            if change["rev"] != row.rev:
                raise Problem("changed", "the row is another than was read")
            return
        is_now = account(table, row)
        for key, was in (change.get("before") or {}).items():
            if key in ("ref", "rev") or key not in is_now:
                continue
            if canonical(key, was) != canonical(key, is_now[key]):
                raise Problem("changed", f"{key} is another than was read")


def main():
    # Whatever prints from now on prints to the log: a stray line among the
    # answers would fail the run.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    csv.field_size_limit(16 << 20)  # as long as a message may be
    Connector(sys.stdin.buffer, answers).run()


if __name__ == "__main__":
    main()
