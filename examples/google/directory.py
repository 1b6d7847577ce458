"""What connectors of rollcall-directory/1 have in common whose directory is
behind HTTPS.

* Connector is the protocol: requests come in as lines of JSON, answers go out.
* Service sends requests, and repeats them where that may help.
* Token is an access token, fetched when it is needed.
* Key and Certificate sign what a login asks for.
* Seen finds objects that pages repeat.

It needs Python 3.9 and nothing else. The copies beside other connectors are
the same, byte for byte.
"""

import base64
import email.utils
import functools
import hashlib
import http.client
import json
import math
import os
import queue
import random
import re
import secrets
import socket
import ssl
import stat
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

TRIES = 6              # of one request, the first included
FIRST_PAUSE = 0.5      # seconds before the second try; doubled each time
LONGEST_PAUSE = 30     # seconds, where the service does not say how long
QUIET = 10             # seconds of waiting without a line of progress
LONGEST_ANSWER = 64 << 20  # bytes
LONGEST_SAID = 300     # characters of an error that a service writes
STALE = 1000           # pages in a row without a new object
MOMENTARY = {408, 500, 502, 503, 504, 509}  # statuses that may be others a little later


class Problem(Exception):
    """An error of the protocol: a code, and a message for people."""

    def __init__(self, code, message, **more):
        super().__init__(message)
        self.answer = {"code": code, "message": message, **more}


class Refusal(Exception):
    """An answer other than success that is not worth another try."""

    def __init__(self, status, document):
        super().__init__(f"HTTP {status}")
        self.status = status
        self.document = document


# ---------------------------------------------------------------- the protocol

class Connector:
    """Answers requests. A directory makes it one by these methods:

    configure(config)  takes hello.config; anything wrong is a Problem("config")
    objects(scopes)    yields (dn, attributes) of all objects, each once
    found(query)       yields (dn, attributes, deleted) of those that are asked for
    findings()         yields (check, status, evidence, remedy)
    """

    name = ""
    version = "1"
    facts = {"find": True, "deleted": True}

    def __init__(self):
        # Whatever prints from now on prints to the log: a stray line among the
        # answers would fail the run.
        self.answers = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self.waiting = queue.SimpleQueue()
        self.id = None           # of the request at hand
        self.label = None        # of the directory, as the configuration has it
        self.secrets = Secrets()

    def listen(self):
        """Read requests while others are answered.

        Those that came before the end of the input are answered. Where rollcall is
        gone, the next line of an answer or of progress finds nobody who reads.
        """
        for line in sys.stdin.buffer:
            try:
                request = json.loads(line)
                kind = request["type"]
            except (ValueError, TypeError, KeyError) as error:
                print("a line is no request:", type(error).__name__, file=sys.stderr)
                os._exit(1)
            if kind != "cancel":
                self.waiting.put(request)
            if kind == "bye":
                return
        self.waiting.put(None)

    def run(self):
        """Answer one request after the other."""
        threading.Thread(target=self.listen, daemon=True).start()
        while (request := self.waiting.get()) is not None:
            self.id = request.get("id")
            try:
                for answer in self.answer(request):
                    self.send(answer)
            except Problem as problem:
                self.send({"error": problem.answer})
            except Exception as error:  # a fault of this program
                self.send({"error": {"code": "internal", "message":
                                     f"{type(error).__name__}: {error}"}})
            self.flush()
            if request["type"] == "bye":
                return

    def send(self, answer):
        # json.dumps writes newlines as \n, so that a message is one line.
        if "dn" not in answer:
            answer = self.secrets.hidden(answer)
        line = json.dumps({"id": self.id, **answer})
        try:
            self.answers.write(line.encode() + b"\n")
        except BrokenPipeError:
            os._exit(0)  # nobody reads

    def flush(self):
        try:
            self.answers.flush()
        except BrokenPipeError:
            os._exit(0)

    def progress(self, text):
        self.send({"progress": text})
        self.flush()

    def answer(self, request):
        """Return the answers to a request."""
        kinds = {"hello": self.hello, "read": self.read, "find": self.find,
                 "check": self.check, "bye": lambda request: [{}]}
        kind = request["type"]
        if kind not in kinds:
            raise Problem("unsupported", f"there is no request {kind!r}")
        if self.label is None and kind not in ("hello", "bye"):
            raise Problem("config", "the first request must be hello")
        return kinds[kind](request)

    def hello(self, request):
        if 1 not in (request.get("protocols") or []):
            raise Problem("unsupported", "this is rollcall-directory/1 alone")
        self.configure(request.get("config") or {})
        self.label = request.get("directory") or "directory"
        yield {"protocol": 1, "name": self.name, "version": self.version,
               "facts": self.facts}

    def read(self, request):
        number = 0
        for dn, attributes in self.objects(request.get("scopes") or []):
            yield {"dn": dn, "attributes": attributes}
            number += 1
        yield {"objects": number, "complete": True}

    def find(self, request):
        number = 0
        for dn, attributes, deleted in self.found(Query(request)):
            answer = {"dn": dn, "attributes": attributes}
            if deleted:
                answer["deleted"] = True
            yield answer
            number += 1
        yield {"objects": number}

    def check(self, request):
        names = ("check", "status", "evidence", "remedy")
        yield {"findings": [dict(zip(names, finding)) for finding in self.findings()]}

    def dn(self, identifier, container):
        """Return the DN of an object: CN=identifier,OU=container,O=label."""
        parts = (("CN", identifier), ("OU", container), ("O", self.label))
        return ",".join(f"{name}={escaped(value)}" for name, value in parts)

    def wanted(self, scopes, containers):
        """Return those containers in which the scopes may have objects.

        A base that is not understood counts as the whole directory: rollcall
        judges each object itself, and one too many does no harm.
        """
        wanted = set()
        top = f"o={self.label}".lower()
        for scope in scopes:
            parts = [part.strip().lower() for part in (scope.get("base") or "").split(",")]
            inside = {c for c in containers if parts[-2:] == [f"ou={c}", top]}
            wanted |= inside or set(containers)
        return [c for c in containers if c in wanted or not scopes]


class Query:
    """What a find asks for, in lower case."""

    def __init__(self, request):
        def texts(name):
            return {str(text).strip().lower() for text in request.get(name) or []}

        self.addresses = texts("addresses")
        self.usernames = texts("usernames")
        self.dns = texts("dns")
        # Base64 is not the same in lower case.
        self.guids = {str(text).strip() for text in request.get("guids") or []}


def escaped(value):
    """Return a value as it stands in a DN (RFC 4514 section 2.4)."""
    value = re.sub(r'([\\",+;<>=])', r"\\\1", value).replace("\0", r"\00")
    if value[:1] in (" ", "#"):
        value = "\\" + value
    if value[-1:] == " " and len(value) > 1 and value[-2] != "\\":
        value = value[:-1] + "\\ "
    return value


def texts(value):
    """Return a JSON value as the values of an attribute; nothing for null."""
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in texts(each)]
    if isinstance(value, bool):
        return ["TRUE" if value else "FALSE"]
    if value is None or value == "" or isinstance(value, dict):
        return []
    return [str(value)]


def listed(what, raw, *names):
    """Return the texts of an object's lists; a list may be missing, or null. An empty
    text is no value."""
    found = []
    for name in names:
        values = raw.get(name)
        if values is None:
            continue
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise Problem("internal", f"{what}: {name} of {raw.get('id')} is no list of texts")
        found += filter(None, values)
    return found


class Secrets:
    """What no answer may show."""

    def __init__(self):
        self.known = set()

    def add(self, text):
        if text:
            self.known |= {text, urllib.parse.quote_plus(text)}  # also as in a form

    def hidden(self, value):
        """Return a JSON value without secrets in its texts."""
        if isinstance(value, dict):
            return {name: self.hidden(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.hidden(each) for each in value]
        if isinstance(value, str):
            for text in sorted(self.known, key=len, reverse=True):
                value = value.replace(text, "***")
        return value

    def said(self, text):
        """Return the first line of what a service says, and not too much of it.

        Secrets are hidden before: what is cut may have a part of one at its end.
        """
        return (str(self.hidden(text)).splitlines() or [""])[0][:LONGEST_SAID]


# ------------------------------------------------------------- the configuration

def settings(config, **known):
    """Return the values of a configuration by name.

    Each of known is the default, whose type is that of the value; a type alone is
    a value that may be missing, and is None then.
    """
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise Problem("config", f"config has no {unknown[0]!r}; it has {', '.join(known)}")
    values = {}
    for name, default in known.items():
        wanted = default if isinstance(default, type) else type(default)
        value = config.get(name)
        if value is None:
            value = None if isinstance(default, type) else default
        elif wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if value is not None and (not isinstance(value, wanted) or value == ""
                                  or wanted is float and value <= 0):
            what = {str: "a text", bool: "true or false", float: "a number above zero"}
            raise Problem("config", f"config.{name} must be {what[wanted]}")
        values[name] = value
    return values


def https(name, url):
    """Return a URL without a slash at its end; it must be of https."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.username:
        raise Problem("config", f"config.{name} must be a URL of https")
    return parts._replace(netloc=parts.netloc.lower()).geturl().rstrip("/")


def contents(name, path):
    """Return the text of a file that the configuration names."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise Problem("config", f"config.{name}: {path}: {reason}") from None


def exposed(path):
    """Report whether others than its owner may read a file of a key."""
    return os.name == "posix" and bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))


# ------------------------------------------------------------------ the requests

class Answers(urllib.request.HTTPErrorProcessor):
    """Takes every answer as it comes.

    No redirect is followed: it would take the token to wherever it leads.
    """

    def http_response(self, request, response):
        return response

    https_response = http_response


class Connection(http.client.HTTPSConnection):
    """A connection that leaves its socket with the request, so that it can be shut."""

    def __init__(self, *args, request, **more):
        super().__init__(*args, **more)
        self.request_at_hand = request

    def connect(self):
        super().connect()
        self.request_at_hand.sockets.append(self.sock)
        if self.request_at_hand.late:
            raise TimeoutError


class Handler(urllib.request.HTTPSHandler):

    def __init__(self, context):
        super().__init__(context=context)
        self.context = context

    def https_open(self, request):
        connection = functools.partial(Connection, request=request)
        return self.do_open(connection, request, context=self.context)


class Service:
    """Sends requests, and repeats those that failed for the moment.

    ca_file names certificate authorities to trust in place of the system's.
    timeout is in seconds, for one whole answer; longest is how many seconds one request
    may wait for another try. Proxies are those of the environment (https_proxy,
    no_proxy).
    """

    def __init__(self, ca_file, timeout, longest, progress):
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or error
            raise Problem("config", f"config.ca_file: {ca_file}: {why}") from None
        self.opener = urllib.request.build_opener(Handler(context), Answers())
        self.timeout = timeout
        self.longest = longest
        self.progress = progress

    @staticmethod
    def throttles(status, document):
        """Report whether an answer asks to slow down."""
        return status == 429

    def call(self, url, headers=None, body=None, token=None):
        """Return the JSON object that answers a request, a GET without a body."""
        host = urllib.parse.urlsplit(url).netloc
        tries, waited, renewed = 0, 0.0, False
        while True:
            sent = {"Accept": "application/json", "User-Agent": "rollcall", **(headers or {})}
            if token:
                sent["Authorization"] = "Bearer " + token.text()
            code, pause = "temporary", None
            try:
                status, fields, content = self.exchange(url, sent, body)
            except (OSError, http.client.HTTPException) as error:
                fault = reason(host, error)
            else:
                document = parsed(content)
                if status == 200:
                    if document is not None and "error" not in document:
                        return document
                    fault = "the answer is no JSON object, or a part of one"
                    if document is not None:
                        fault = "HTTP 200 with an error in the answer"
                elif 200 < status < 300:
                    fault = f"HTTP {status}, which is no complete answer"
                elif status == 401 and token and not renewed:
                    renewed = True
                    token.forget()
                    continue
                else:
                    throttled = self.throttles(status, document or {})
                    if not throttled and status not in MOMENTARY:
                        raise Refusal(status, document or {})
                    if throttled:
                        code = "throttled"
                    fault = f"HTTP {status}"
                    pause = seconds(fields.get("Retry-After"))
            tries += 1
            if pause is None:
                pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
                pause *= random.uniform(0.8, 1.2)
            if tries >= TRIES or waited + pause > self.longest:
                many = "one try" if tries == 1 else f"{tries} tries"
                raise Problem(code, f"{host}: {fault}, after {many}", retry_after=math.ceil(pause))
            self.wait(pause, f"{host}: {fault}")
            waited += pause

    def exchange(self, url, headers, body):
        """Send one request, and return status, header fields and content.

        The timeout of a socket begins anew with every byte. So another thread does it,
        and its socket is shut when the time is over.
        """
        request = urllib.request.Request(url, data=body, headers=headers)
        request.sockets, request.late = [], False
        outcome = queue.SimpleQueue()

        def attempt():
            try:
                outcome.put((self.sent(request), None))
            except BaseException as error:
                outcome.put((None, error))

        threading.Thread(target=attempt, daemon=True).start()
        try:
            answer, error = outcome.get(timeout=self.timeout)
        except queue.Empty:
            request.late = True
            for each in request.sockets:
                try:
                    # Not that of SSLSocket: what is read after it would be no TLS.
                    socket.socket.shutdown(each, socket.SHUT_RDWR)
                except OSError:
                    pass  # it is closed
            raise TimeoutError(
                f"the answer took longer than {self.timeout:g} seconds") from None
        if error is not None:
            raise error
        return answer

    def sent(self, request):
        with self.opener.open(request, timeout=self.timeout) as answer:
            length = answer.headers.get("Content-Length", "")
            length = int(length) if length.isdigit() else None
            content = bytearray()
            while length is None or len(content) < length:
                part = answer.read1(1 << 16)
                if not part:
                    break
                content += part
                if len(content) > LONGEST_ANSWER:
                    raise Problem("internal", "an answer has more than 64 MiB")
            if length is not None and len(content) < length:
                raise http.client.IncompleteRead(b"", length - len(content))
            return answer.status, answer.headers, bytes(content)

    def wait(self, pause, why):
        """Wait so many seconds, and say so now and then."""
        end = time.monotonic() + pause
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return
            self.progress(f"{why}; the next try is in {left:.0f} seconds")
            time.sleep(min(left, QUIET))


def parsed(content):
    """Return the JSON object of an answer, or None."""
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def reason(host, error):
    """Say why a request had no answer; what will never work is a Problem."""
    while isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        raise Problem("refused", f"{host}: the certificate is not trusted: {error.verify_message}."
                      " With an authority of your own, name it in config.ca_file")
    if isinstance(error, http.client.IncompleteRead):
        return "the answer broke off"
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return f"no answer in time ({error})"
    return str(error) or type(error).__name__


def seconds(field):
    """Return the seconds of a Retry-After field (RFC 9110 section 10.2.3), or None."""
    field = (field or "").strip()
    if re.fullmatch("[0-9]+", field):
        return float(field if len(field) <= 9 else "9" * 9)
    try:
        then = email.utils.parsedate_to_datetime(field)
        return max(0.0, then.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


class Token:
    """An access token.

    fetch returns its text and for how many seconds it is good. It is fetched anew
    five minutes before it ends, and after forget.
    """

    def __init__(self, fetch, hidden):
        self.fetch = fetch
        self.hidden = hidden
        self.forget()

    def forget(self):
        self.known, self.until = None, 0.0

    def text(self):
        if self.known is None or time.monotonic() > self.until:
            token, good = self.fetch()
            if not re.fullmatch("[!-~]+", token):
                raise Problem("internal", "the login has given an access_token with characters"
                              " that no token has")
            self.hidden.add(token)
            self.known = token
            self.until = time.monotonic() + max(good - 300, good / 2)
        return self.known

    def claims(self):
        """Return the claims of a token that is a JWT, or None. They are not verified:
        the service does that."""
        try:
            middle = self.text().split(".")[1]
            return parsed(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        except (IndexError, ValueError):
            return None


class Seen:
    """The objects of a read, about 200 bytes each.

    Pages are made one after the other, while the directory changes: one object may
    come twice.
    """

    def __init__(self):
        self.digests = {}
        self.stale = 0

    def more(self, what, new):
        """Count a page that another one follows. Page after page without a new object
        never ends."""
        self.stale = 0 if new else self.stale + 1
        if self.stale >= STALE:
            raise Problem("internal", f"{what}: {STALE} pages came without a new object, and"
                          " still more are to follow")

    def new(self, what, identifier, content):
        """Report whether an object comes for the first time."""
        if not isinstance(identifier, str) or not identifier:
            raise Problem("internal", f"one of the {what} has no id")
        text = json.dumps(content, sort_keys=True).encode()
        digest = hashlib.blake2b(text, digest_size=8).digest()
        known = self.digests.setdefault(identifier, digest)
        if known is digest:
            return True
        if known == digest:
            return False
        raise Problem("temporary", f"{what}: {identifier} changed while the pages were"
                      " read; read them again")


# --------------------------------------------------------------- the signatures

# A login by key needs one signature of RSA in an hour. It is computed here, and
# not by a program such as openssl: that is missing on many machines, its options
# differ, and a key inside a JSON file would have to be written to another first.
# The key never leaves this process.

class Key:
    """A private key of RSA, from PEM: PKCS #8 or PKCS #1, not encrypted."""

    def __init__(self, name, text):
        blocks = pem(text)
        if "ENCRYPTED PRIVATE KEY" in blocks or "Proc-Type: 4,ENCRYPTED" in text:
            raise Problem("config", f"{name}: the key is encrypted; write one without a"
                          " passphrase, which only rollcall's user may read:"
                          " openssl pkey -in old.pem -out key.pem")
        try:
            if "PRIVATE KEY" in blocks:
                _, algorithm, key = members(members(blocks["PRIVATE KEY"])[0])[:3]
                if members(algorithm)[0] != RSA:
                    raise Problem("config", f"{name}: the key must be one of RSA")
            else:
                key = blocks["RSA PRIVATE KEY"]
            numbers = members(members(key)[0])
            self.n, self.e, self.d = (int.from_bytes(part, "big") for part in numbers[1:4])
        except (KeyError, IndexError, ValueError):
            raise Problem("config", f"{name}: there is no private key of RSA") from None
        self.size = (self.n.bit_length() + 7) // 8

    def power(self, block):
        """Sign a block, and make sure that the signature is one."""
        number = int.from_bytes(block, "big")
        signature = pow(number, self.d, self.n)
        if pow(signature, self.e, self.n) != number:
            raise Problem("config", "the private key is damaged")
        return signature.to_bytes(self.size, "big")

    def rs256(self, message):
        """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2)."""
        digest = SHA256 + hashlib.sha256(message).digest()
        padding = b"\xff" * (self.size - len(digest) - 3)
        return self.power(b"\x00\x01" + padding + b"\x00" + digest)

    def ps256(self, message):
        """RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 8017 section 9.1.1)."""
        bits = self.n.bit_length() - 1
        size = (bits + 7) // 8
        salt = secrets.token_bytes(32)
        digest = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + salt).digest()
        data = bytes(size - 66) + b"\x01" + salt
        mask = b"".join(hashlib.sha256(digest + counter.to_bytes(4, "big")).digest()
                        for counter in range(size // 32 + 1))
        masked = bytearray(a ^ b for a, b in zip(data, mask))
        masked[0] &= 0xff >> (8 * size - bits)
        return self.power(bytes(masked) + digest + b"\xbc")

    def jwt(self, algorithm, header, claims):
        """Return a signed JSON Web Token; algorithm is "RS256" or "PS256"."""
        parts = ({"alg": algorithm, "typ": "JWT", **header}, claims)
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        sign = {"RS256": self.rs256, "PS256": self.ps256}[algorithm]
        return text + "." + base64url(sign(text.encode()))


class Certificate:
    """An X.509 certificate, from PEM: what of it a login needs."""

    def __init__(self, name, text):
        try:
            self.der = pem(text)["CERTIFICATE"]
            fields = members(members(members(self.der)[0])[0])
            if len(fields) > 6:  # the first is the version, which may be missing
                fields = fields[1:]
            self.ends = moment(members(fields[3])[1])
            key = members(fields[5])[1]
            self.n = int.from_bytes(members(members(key[1:])[0])[0], "big")
        except (KeyError, IndexError, ValueError):
            raise Problem("config", f"{name}: there is no certificate of an RSA key") from None

    def thumbprint(self):
        return base64url(hashlib.sha256(self.der).digest())


RSA = bytes.fromhex("2a864886f70d010101")  # the object identifier rsaEncryption
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # of DigestInfo


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def pem(text):
    """Return the first block of each kind in a PEM file."""
    blocks = {}
    for kind, block in re.findall(r"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----", text):
        if ":" not in block:
            blocks.setdefault(kind, base64.b64decode("".join(block.split())))
    return blocks


def members(der):
    """Return the contents of the elements of DER that stand one behind the other (X.690)."""
    found = []
    while der:
        length, at = der[1], 2
        if length >= 0x80:
            at += length - 0x80
            length = int.from_bytes(der[2:at], "big")
        if len(der) < at + length:
            raise ValueError("it is cut off")
        found.append(der[at:at + length])
        der = der[at + length:]
    return found


def moment(content):
    """Return a UTCTime or GeneralizedTime as seconds since 1970 (RFC 5280 section 4.1.2.5)."""
    text = content.decode("ascii").rstrip("Z")
    if len(text) == 12:
        text = ("20" if text < "50" else "19") + text
    parts = [int(text[:4])] + [int(text[at:at + 2]) for at in range(4, 14, 2)]
    return email.utils.mktime_tz((*parts, 0, 1, 0, 0))
