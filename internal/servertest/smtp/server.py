"""A mail server with TLS and AUTH (RFC 4954) that keeps what it takes, a file each.

Its one argument is JSON: port, folder, cert, key, implicit, user, password. Recipients
whose local part is "refused" are refused with 550, "later" with 451, at "broken" the
connection ends, and at "slow" nothing happens any more.
"""
import asyncio
import base64
import itertools
import json
import os
import signal
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

options = json.loads(sys.argv[1])
numbers = itertools.count(1 + sum(name.endswith(".eml") for name in os.listdir(options["folder"])))
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(options["cert"], options["key"])


def known(user, password):
    return user == options["user"] and password == options["password"]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        name = address.split("@")[0]
        if name == "refused":
            return "550 5.1.1 nobody of that name"
        if name == "later":
            return "451 4.3.0 try again"
        if name == "broken":
            server.transport.abort()
            await asyncio.sleep(60)
        if name == "slow":
            await asyncio.sleep(600)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        stem = os.path.join(options["folder"], "%04d" % next(numbers))
        with open(stem + ".eml", "wb") as message:
            message.write(envelope.original_content)
        about = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None, "auth": session.auth_data or ""}
        with open(stem + ".part", "w") as out:
            json.dump(about, out)
        os.rename(stem + ".part", stem + ".json")
        return "250 2.0.0 taken"

    async def auth_XOAUTH2(self, server, args):
        given = base64.b64decode(args[1]).decode()
        if given == "user=%s\x01auth=Bearer %s\x01\x01" % (options["user"], options["password"]):
            return AuthResult(success=True, auth_data="XOAUTH2")
        return AuthResult(success=False, handled=False)


def login(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and known(data.login.decode(), data.password.decode())
    return AuthResult(success=good, handled=False, auth_data=mechanism if good else None)


tls = {"ssl_context": context} if options["implicit"] else {"tls_context": context, "require_starttls": True}
controller = Controller(
    Handler(), hostname="127.0.0.1", port=options["port"], authenticator=login, auth_required=True,
    auth_require_tls=not options["implicit"], **tls)
controller.start()
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
controller.stop()
