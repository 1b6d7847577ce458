#!/usr/bin/env python3
"""A connector of rollcall-directory/1 for Microsoft 365: users, groups and contacts
of Entra ID, read through Microsoft Graph.

What Graph is stands here; what any service behind HTTPS needs is in directory.py
beside it. README.md says which permissions it takes, and what a scope looks like.

    config = {
      tenant    = "contoso.onmicrosoft.com"  # or the ID of the tenant
      client_id = "…"                        # of the application
      secret    = env("GRAPH_SECRET")        # or: certificate and key, files of PEM

      groups           = true    # read groups
      contacts         = true    # read contacts
      shared_mailboxes = false   # ask which disabled users are shared mailboxes
      count            = false   # compare with the number that Graph counts
      graph_url = "https://graph.microsoft.com"        # of a national cloud: another
      login_url = "https://login.microsoftonline.com"
      ca_file   = "corp-ca.pem"  # authorities to trust in place of the system's
      timeout   = 30             # seconds, for one answer of Graph
      max_wait  = 300            # seconds that one request may wait for another try
    }
"""

import base64
import json
import re
import sys
import time
import urllib.parse
import uuid

sys.dont_write_bytecode = True  # leave no folder beside the configuration

from directory import (  # noqa: E402
    Certificate, Connector, Key, Problem, Refusal, Seen, Service, Token,
    contents, exposed, https, listed, seconds, settings, texts)

PAGE = 999        # objects; the most that Graph gives
TOGETHER = 20     # requests in one batch; the most that Graph takes
SOON = 30         # days before its end in which a certificate is reported

# Attributes by property of Graph: as Active Directory names them, so that a scope
# for it does for Graph. A property that Active Directory does not know keeps its name.
PERSON = {
    "mail": "mail", "proxyAddresses": "proxyAddresses", "displayName": "displayName",
    "givenName": "givenName", "surname": "sn", "mailNickname": "mailNickname",
    "department": "department", "jobTitle": "title", "companyName": "company",
    "onPremisesSyncEnabled": "onPremisesSyncEnabled",
}
USER = {
    **PERSON, "userPrincipalName": "userPrincipalName", "userType": "userType",
    "accountEnabled": "accountEnabled", "otherMails": "otherMails",
    "onPremisesSamAccountName": "sAMAccountName",
    "onPremisesDistinguishedName": "onPremisesDistinguishedName",
    "onPremisesImmutableId": "onPremisesImmutableId",
    "employeeId": "employeeID", "employeeType": "employeeType",
    "officeLocation": "physicalDeliveryOfficeName", "mobilePhone": "mobile",
    "businessPhones": "telephoneNumber", "streetAddress": "streetAddress",
    "city": "l", "state": "st", "postalCode": "postalCode", "country": "co",
    "showInAddressList": None, "onPremisesExtensionAttributes": None,  # see attributes
}
GROUP = {
    "mail": "mail", "proxyAddresses": "proxyAddresses", "displayName": "displayName",
    "description": "description", "mailNickname": "mailNickname",
    "mailEnabled": "mailEnabled", "securityEnabled": "securityEnabled",
    "groupTypes": "groupTypes", "visibility": "visibility",
    "onPremisesSamAccountName": "sAMAccountName",
    "onPremisesSyncEnabled": "onPremisesSyncEnabled",
}


class Kind:
    """One collection of Graph.

    permissions are those of which one must be granted, the least first. names are
    properties that hold a username.
    """

    def __init__(self, path, properties, classes, permissions, names, deleted=None):
        self.path = path
        self.deleted = deleted
        self.properties = properties
        self.classes = classes
        self.permissions = permissions
        self.names = names
        self.select = ",".join(["id", *properties])


KINDS = {
    "users": Kind(
        "/users", USER, ["top", "person", "organizationalPerson", "user"],
        ["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        ["onPremisesSamAccountName", "userPrincipalName", "mailNickname"],
        "/directory/deletedItems/microsoft.graph.user"),
    "groups": Kind(
        "/groups", GROUP, ["top", "group"],
        ["Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        ["onPremisesSamAccountName", "mailNickname"],
        "/directory/deletedItems/microsoft.graph.group"),
    "contacts": Kind(
        "/contacts", PERSON, ["top", "person", "organizationalPerson", "contact"],
        ["OrgContact.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        ["mailNickname"]),
}
MAILBOXES = ["MailboxSettings.Read", "MailboxSettings.ReadWrite"]

# Values of msExchRecipientTypeDetails, by userPurpose of Graph. What "others" are, it
# does not say.
PURPOSES = {"user": 1, "linked": 2, "shared": 4, "room": 16, "equipment": 32, "others": None}

# Properties that are lists of texts.
LISTS = {"proxyAddresses", "otherMails", "businessPhones", "groupTypes"}

# Codes of 404 that say that there is no object, and no mailbox in the cloud.
NO_OBJECT = "Request_ResourceNotFound"
NO_MAILBOX = "MailboxNotEnabledForRESTAPI"


class Graph(Connector):

    name = "graph"

    # --------------------------------------------------------------- the login

    def configure(self, config):
        values = settings(
            config, tenant=str, client_id=str, secret=str, certificate=str, key=str,
            groups=True, contacts=True, shared_mailboxes=False, count=False,
            graph_url="https://graph.microsoft.com",
            login_url="https://login.microsoftonline.com",
            ca_file=str, timeout=30.0, max_wait=300.0)
        self.secrets.add(values["secret"])
        for name in ("tenant", "client_id"):
            if not values[name] or not re.fullmatch(r"[\w.-]+", values[name]):
                raise Problem("config", f"config.{name} is missing, or is no ID")
        self.client = values["client_id"]
        self.secret, self.key, self.certificate = values["secret"], None, None
        if bool(self.secret) == bool(values["certificate"]):
            raise Problem("config", "config needs a secret, or certificate and key")
        if values["certificate"]:
            self.key_file = values["key"] or values["certificate"]
            self.certificate = Certificate(
                "config.certificate", contents("certificate", values["certificate"]))
            self.key = Key("config.key", contents("key", self.key_file))
            if self.key.n != self.certificate.n:
                raise Problem("config", "config.key is not the key of config.certificate")
        self.graph = https("graph_url", values["graph_url"])
        self.api = self.graph + "/v1.0"
        self.login = (https("login_url", values["login_url"])
                      + f"/{values['tenant']}/oauth2/v2.0/token")
        self.kinds = [kind for kind in KINDS if values.get(kind, True)]
        self.shared_mailboxes = values["shared_mailboxes"]
        self.count = values["count"]
        self.service = Service(values["ca_file"], values["timeout"], values["max_wait"],
                               self.progress)
        self.token = Token(self.fetch_token, self.secrets)

    def fetch_token(self):
        form = {"client_id": self.client, "grant_type": "client_credentials",
                "scope": self.graph + "/.default"}
        if self.secret:
            form["client_secret"] = self.secret
        else:
            now = int(time.time())
            form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            form["client_assertion"] = self.key.jwt(
                "PS256", {"x5t#S256": self.certificate.thumbprint()},
                {"aud": self.login, "iss": self.client, "sub": self.client,
                 "jti": str(uuid.uuid4()), "iat": now, "nbf": now, "exp": now + 300})
        try:
            answer = self.service.call(self.login, body=urllib.parse.urlencode(form).encode())
        except Refusal as refusal:
            why = refusal.document.get("error_description") or refusal.document.get("error")
            # What follows the first line are numbers for the support.
            why = self.secrets.said(why or f"HTTP {refusal.status}")
            raise Problem("auth", f"the login of the application is refused: {why}") from None
        token, good = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise Problem("internal", "the login has no access_token in its answer")
        try:
            return token, float(good)
        except (TypeError, ValueError):
            return token, 600.0

    # ------------------------------------------------------------ the requests

    def call(self, url, eventual=False, body=None):
        headers = {"ConsistencyLevel": "eventual"} if eventual else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        try:
            return self.service.call(url, headers, body, self.token)
        except Refusal as refusal:
            raise self.problem(refusal.status, refusal.document,
                               urllib.parse.urlsplit(url).path) from None

    def problem(self, status, document, path):
        """Return what an answer other than success means for rollcall."""
        error = self.secrets.hidden(document.get("error"))
        error = error if isinstance(error, dict) else {}
        said = ": ".join(str(error[key]) for key in ("code", "message") if error.get(key))
        said = self.secrets.said(said) or f"HTTP {status}"
        if status == 401:
            return Problem("auth", f"Graph does not accept the token: {said}")
        if status == 403:
            least = [kind.permissions[0] for kind in KINDS.values()
                     if path.endswith((kind.path, kind.deleted or kind.path))]
            if path.endswith("/userPurpose"):
                least = MAILBOXES[:1]
            hint = f"; grant {least[0]} to the application" if least else ""
            return Problem("refused", f"{path}: {said}{hint}")
        return Problem("internal", f"{path}: HTTP {status}: {said}")

    def pages(self, what, path, query, eventual=False):
        """Yield the objects of a collection, page by page, and each once."""
        url = f"{self.api}{path}?{urllib.parse.urlencode(query, safe='$,')}"
        links, seen, declared = set(), Seen(), None
        while url:
            document = self.call(url, eventual)
            page = self.page(what, document)
            declared = document.get("@odata.count", declared)
            new = [each for each in page if seen.new(what, each.get("id"), content(each))]
            yield new
            links.add(url)
            url = self.following(what, document, links)
            if url:
                seen.more(what, new)
            self.progress(f"{what}: page {len(links)}, {len(seen.digests)} so far")
        if query.get("$count") and declared != len(seen.digests):
            raise Problem("temporary", f"{what}: {len(seen.digests)} came, and Graph"
                          f" counts {declared}")

    @staticmethod
    def page(what, document):
        """Return the objects of a page; what ends with the name of a collection."""
        page = document.get("value")
        if not isinstance(page, list):
            raise Problem("internal", f"{what}: a page has no value")
        if any(not isinstance(each, dict) for each in page):
            raise Problem("internal", f"{what}: a page has what is no object")
        of = re.search(r"#(\w+)", str(document.get("@odata.context")))
        if of and of[1] in KINDS and of[1] != what.split()[-1]:
            raise Problem("internal", f"{what}: a page is one of {of[1]}")
        return page

    def following(self, what, document, links):
        """Return the address of the next page, or None; it must be Graph's own."""
        for key in document:
            if key.lower().endswith("nextlink") and key != "@odata.nextLink":
                raise Problem("internal", f"{what}: a page has {key!r}, which may lead to another")
        if "@odata.nextLink" not in document:
            return None
        link = document["@odata.nextLink"]
        # Anybody else would get the token.
        if not isinstance(link, str) or not link.startswith(self.api + "/"):
            raise Problem("refused", f"{what}: the next page is said to be elsewhere,"
                          f" at {urllib.parse.urlsplit(str(link)).netloc}")
        if link in links:
            raise Problem("internal", f"{what}: the pages go round in a circle")
        return link

    def batch(self, paths, nothing=None, eventual=False):
        """Yield the document of each path in order, or None where there is nothing: that
        says a 404 whose code is nothing."""
        headers = {"headers": {"ConsistencyLevel": "eventual"}} if eventual else {}
        for at in range(0, len(paths), TOGETHER):
            part = dict(enumerate(paths[at:at + TOGETHER]))
            answers, waited = {}, 0.0
            while len(answers) < len(part):
                rest = {n: path for n, path in part.items() if n not in answers}
                requests = [{"id": str(n), "method": "GET", "url": path, **headers}
                            for n, path in rest.items()]
                document = self.call(self.api + "/$batch", body={"requests": requests})
                pause = self.sort(document, rest, answers, nothing)
                if pause is None:
                    break
                waited += max(pause, 0.5)
                if waited > self.service.longest:
                    raise Problem("throttled", "Graph does not answer all of a batch",
                                  retry_after=int(pause) + 1)
                self.service.wait(pause, "Graph asks to wait")
            yield from (answers[n] for n in part)
            if len(paths) > TOGETHER:
                self.progress(f"{at + len(part)} of {len(paths)} requests answered")

    def sort(self, document, paths, answers, nothing):
        """Put the answers of a batch into answers, by the number of their path.

        Return how many seconds to wait for those that are still missing, or None.
        """
        responses = document.get("responses")
        by_id = {each.get("id"): each for each in responses or [] if isinstance(each, dict)}
        pause = None
        for n, path in paths.items():
            response = by_id.get(str(n))
            if response is None:
                raise Problem("internal", "the answer to a batch lacks a part")
            status, body = response.get("status"), response.get("body")
            if status in (429, 500, 502, 503, 504):
                fields = response.get("headers")
                after = fields.get("Retry-After") if isinstance(fields, dict) else None
                after = seconds(str(after))
                pause = max(pause or 0.0, 2.0 if after is None else after)
                continue
            body = body if isinstance(body, dict) else {}
            error = body.get("error")
            code = error.get("code") if isinstance(error, dict) else None
            if status == 200 and body and "error" not in body:
                answers[n] = body
            elif status == 404 and nothing and code == nothing:
                answers[n] = None
            else:
                refusal = self.problem(status, body, path.split("?")[0])
                if refusal.answer["code"] == "internal":
                    refusal.answer["code"] = "temporary"
                raise refusal
        return pause

    # ------------------------------------------------------------- the objects

    def objects(self, scopes):
        for name in self.wanted(scopes, self.kinds):
            kind = KINDS[name]
            query = {"$select": kind.select, "$top": PAGE}
            if self.count:
                query["$count"] = "true"
            number = 0
            for page in self.pages(name, kind.path, query, self.count):
                purposes = self.purposes(page) if name == "users" else {}
                for raw in page:
                    number += 1
                    yield self.dn(raw["id"], name), attributes(name, raw, purposes)
            if name == "users" and not number:
                raise Problem("refused", "users: not a single one came, and a tenant has at least"
                              " one; compare config.tenant and the permissions of the application")

    def purposes(self, users):
        """Return what mailboxes are, by the id of their users; nothing unless asked for.

        Nobody signs in to a shared mailbox, a room and so on: their users are
        disabled, so that nobody else need be asked for.
        """
        if not self.shared_mailboxes:
            return {}
        asked = [u["id"] for u in users if u.get("accountEnabled") is False and u.get("mail")]
        paths = [f"/users/{each}/mailboxSettings/userPurpose" for each in asked]
        purposes = {}
        for user, body in zip(asked, self.batch(paths, NO_MAILBOX)):
            if body is None:
                continue
            purpose = body.get("value")
            if not isinstance(purpose, str) or purpose not in PURPOSES:
                raise Problem("temporary", f"users: Graph does not say what the mailbox of"
                              f" {user} is")
            purposes[user] = purpose
        return purposes

    # --------------------------------------------------------------- the search

    def found(self, query):
        ids = {guid for guid in map(canonical, query.guids) if guid}
        for dn in query.dns:
            if match := re.match(r"cn=([0-9a-f-]{36})\s*,", dn):
                ids.add(match[1])
        for name in self.kinds:
            kind = KINDS[name]
            single = [f"{kind.path}/{each}?$select={kind.select}" for each in sorted(ids)]
            many = [f"{kind.path}?$select={kind.select}&$count=true&$filter="
                    + urllib.parse.quote(each, safe="") for each in filters(name, ids, query)]
            raws = [raw for raw in self.batch(single, NO_OBJECT) if raw]
            for body in self.batch(many, eventual=True):
                raws += self.whole(name, body)
            # A filter may show an object as it was a moment ago: the first one counts.
            for raw in {raw.get("id"): raw for raw in reversed(raws)}.values():
                if self.fits(name, raw, ids, query):
                    purposes = self.purposes([raw]) if name == "users" else {}
                    yield self.dn(raw["id"], name), attributes(name, raw, purposes), False
        for name in self.kinds:
            kind = KINDS[name]
            if not kind.deleted:
                continue
            # Those of the last 30 days are few enough to look at each.
            for page in self.pages("deleted " + name, kind.deleted,
                                   {"$select": kind.select, "$top": PAGE}):
                for raw in map(undeleted, page):
                    if self.fits(name, raw, ids, query):
                        yield self.dn(raw["id"], name), attributes(name, raw, {}), True

    def whole(self, name, body):
        """Return the objects of the first page, and of those behind it."""
        found, links, seen = [], set(), Seen()
        while True:
            new = [each for each in self.page(name, body)
                   if seen.new(name, each.get("id"), content(each))]
            found += new
            link = self.following(name, body, links)
            if not link:
                return found
            seen.more(name, new)
            links.add(link)
            body = self.call(link, eventual=True)

    def fits(self, name, raw, ids, query):
        """Report whether an object is one of those that are asked for."""
        read = attributes(name, raw, {})
        addresses = {value.split(":", 1)[-1].strip().lower()
                     for attribute in ("mail", "proxyAddresses", "userPrincipalName", "otherMails")
                     for value in read.get(attribute, [])}
        names = {str(raw.get(each) or "").lower() for each in KINDS[name].names}
        guids = {value.lower() for value in read["objectGUID"] + read["cloudGUID"]}
        return bool(guids & ids or addresses & query.addresses or names & query.usernames
                    or self.dn(raw["id"], name).lower() in query.dns)

    # --------------------------------------------------------------- the checks

    def findings(self):
        if self.certificate:
            yield self.expiry()
            if exposed(self.key_file):
                yield ("key", "warning", f"everybody on this machine may read {self.key_file}",
                       f"chmod 600 {self.key_file}")
        else:
            yield ("credentials", "ok", "a secret; its end is not shown to the application",
                   "")
        try:
            self.token.text()
        except Problem as refused:
            yield ("login", "failed", str(refused), "compare tenant, client_id and secret or"
                   " certificate with the application in the admin center of Entra")
            return
        yield ("login", "ok", f"Entra ID has given a token for {self.graph}", "")
        yield from self.permissions()
        for name in self.kinds:
            for path in filter(None, (KINDS[name].path, KINDS[name].deleted)):
                yield self.readable(path, KINDS[name])

    def expiry(self):
        days = (self.certificate.ends - time.time()) / 86400
        day = time.strftime("%Y-%m-%d", time.gmtime(self.certificate.ends))
        if days < 0:
            return ("certificate", "failed", f"it has ended on {day}",
                    "upload another to the application, and name it in certificate and key")
        if days < SOON:
            return ("certificate", "warning", f"it ends on {day}, in {days:.0f} days",
                    "upload another to the application before, and name it in certificate and key")
        return ("certificate", "ok", f"it ends on {day}", "")

    def permissions(self):
        """Compare what is granted with what is needed. The token says what is granted."""
        claims = self.token.claims()
        roles = (claims or {}).get("roles", [])
        if claims is None or not isinstance(roles, list):
            yield ("permissions", "warning", "the token does not show which are granted", "")
            return
        needed = [KINDS[name].permissions for name in self.kinds]
        if self.shared_mailboxes:
            needed.append(MAILBOXES)
        missing = [each[0] for each in needed if not set(each) & set(roles)]
        surplus = sorted(set(roles) - {role for each in needed for role in each}
                         | {role for role in roles if "Write" in str(role)})
        if missing:
            yield ("permissions", "failed", f"not granted: {', '.join(missing)}",
                   "add them to the application as application permissions of Microsoft"
                   " Graph, and let an administrator consent")
        elif surplus:
            yield ("permissions", "warning", f"more than is needed: {', '.join(map(str, surplus))}",
                   "take them from the application: it only reads")
        else:
            yield ("permissions", "ok", ", ".join(sorted(map(str, roles))), "")

    def readable(self, path, kind):
        try:
            document = self.call(f"{self.api}{path}?$top=1&$select={kind.select}")
            for raw in self.page(kind.path.strip("/"), document):
                shown = undeleted(raw) if path == kind.deleted else raw
                attributes(path.strip("/"), shown, {}, kind)
        except Problem as refused:
            return (path.strip("/"), "failed", str(refused),
                    f"grant {kind.permissions[0]} to the application")
        return (path.strip("/"), "ok", "can be read", "")


# ------------------------------------------------------------------ the mapping

def attributes(name, raw, purposes, kind=None):
    """Return an object of Graph as attributes of a directory."""
    kind = kind or KINDS[name]
    addresses = raw.get("proxyAddresses")
    if not isinstance(addresses, list) or "mail" not in raw:
        # They are never null: Graph leaves out what the application may not see.
        raise Problem("refused", f"Graph does not show the addresses of {name}, such as"
                      f" {raw.get('id')}: grant {kind.permissions[0]} to the application")
    found = {"objectClass": list(kind.classes), "cloudGUID": [raw["id"]],
             "objectGUID": [anchor(raw.get("onPremisesImmutableId")) or raw["id"]]}
    for key, attribute in kind.properties.items():
        if key not in LISTS and attribute and isinstance(raw.get(key), (list, dict)):
            raise Problem("internal", f"{name}: {key} of {raw['id']} is no text")
        values = listed(name, raw, key) if key in LISTS else texts(raw.get(key))
        if attribute and values:
            found[attribute] = values
    if "group" in kind.classes:
        # MS-ADTS section 2.2.12: a universal group, and one of security.
        found["groupType"] = ["-2147483640" if raw.get("securityEnabled") else "8"]
    if "user" in kind.classes:
        if raw.get("accountEnabled") is not None:
            # MS-ADTS section 2.2.16: a normal account, and one that is disabled.
            found["userAccountControl"] = ["512" if raw["accountEnabled"] else "514"]
        if raw.get("showInAddressList") is False:
            found["msExchHideFromAddressLists"] = ["TRUE"]
        for key, value in (raw.get("onPremisesExtensionAttributes") or {}).items():
            if value:
                found[key] = texts(value)
        if number := PURPOSES.get(purposes.get(raw["id"])):
            found["msExchRecipientTypeDetails"] = [str(number)]
    return found


def anchor(immutable_id):
    """Return the objectGUID of Active Directory from onPremisesImmutableId, or None.

    Entra Connect writes the octets of objectGUID, or of mS-DS-ConsistencyGuid, in
    Base64. The first three fields are little-endian (MS-DTYP section 2.3.4.2). What is
    no GUID, as with another source anchor, is not one here either.
    """
    try:
        octets = base64.b64decode(immutable_id or "", validate=True)
    except ValueError:
        return None
    return str(uuid.UUID(bytes_le=octets)) if len(octets) == 16 and any(octets) else None


def immutable(guid):
    """Return the onPremisesImmutableId of an objectGUID."""
    return base64.b64encode(uuid.UUID(guid).bytes_le).decode()


def canonical(guid):
    """Return a GUID of any spelling as Graph writes it, or None."""
    if len(guid) == 24:
        return anchor(guid)
    try:
        return str(uuid.UUID(guid))
    except ValueError:
        return None


def undeleted(raw):
    """Return a deleted object as it was: Entra ID puts the id, without hyphens, before
    the userPrincipalName and may do so with addresses, so that others may have them."""
    prefix = str(raw.get("id") or "").replace("-", "").lower()

    def plain(value):
        if isinstance(value, list):
            return [plain(each) for each in value]
        if not isinstance(value, str) or not prefix:
            return value
        scheme, colon, rest = value.rpartition(":")
        if rest.lower().startswith(prefix) and len(rest) > len(prefix):
            return scheme + colon + rest[len(prefix):]
        return value

    changed = ("userPrincipalName", "mail", "proxyAddresses", "mailNickname")
    plain_again = {key: plain(value) if key in changed else value for key, value in raw.items()}
    # Nobody loses an alias by a deleted object that does not show them.
    return {"mail": None, **plain_again, "proxyAddresses": plain_again.get("proxyAddresses") or []}


def content(raw):
    """Return what of an object is its own: not the annotations of OData."""
    return {key: value for key, value in raw.items() if not key.startswith("@")}


def text(value):
    """Return a text as OData writes it."""
    return "'" + value.replace("'", "''") + "'"


def filters(name, ids, query):
    """Yield filters of OData that find what a query asks for, but for the ids of Graph."""
    if name == "users":
        for guid in sorted(ids):
            yield f"onPremisesImmutableId eq {text(immutable(guid))}"
    for address in sorted(query.addresses):
        tests = [f"mail eq {text(address)}"]
        for scheme in ("smtp:", "SMTP:"):
            tests.append(f"proxyAddresses/any(x:x eq {text(scheme + address)})")
        if name == "users":
            tests.append(f"userPrincipalName eq {text(address)}")
            tests.append(f"otherMails/any(x:x eq {text(address)})")
        yield " or ".join(tests)
    for username in sorted(query.usernames):
        yield " or ".join(f"{each} eq {text(username)}" for each in KINDS[name].names)


if __name__ == "__main__":
    Graph().run()
