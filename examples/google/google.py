#!/usr/bin/env python3
"""A connector of rollcall-directory/1 for Google Workspace: users and groups, read
through the Directory API of the Admin SDK.

What Google is stands here; what any service behind HTTPS needs is in directory.py
beside it. README.md says what to grant, and what a scope looks like.

    config = {
      key_file = "rollcall.json"        # of a service account, as Google writes it
      subject  = "admin@example.com"    # the administrator in whose name it reads

      customer = "my_customer"          # that of the subject
      groups   = true                   # read groups
      api_url  = "https://admin.googleapis.com"
      ca_file  = "corp-ca.pem"          # authorities to trust in place of the system's
      timeout  = 30                     # seconds, for one answer of Google
      max_wait = 300                    # seconds that one request may wait for another try
    }
"""

import json
import re
import sys
import time
import urllib.parse
import uuid

sys.dont_write_bytecode = True  # leave no folder beside the configuration

from directory import (  # noqa: E402
    Connector, Key, Problem, Refusal, Seen, Service, Token,
    contents, exposed, https, listed, settings, texts)

# By container: the path, the most objects of a page that Google gives, the scope of
# OAuth that reads it, and the property of the primary address.
KINDS = {
    "users": ("users", 500, "https://www.googleapis.com/auth/admin.directory.user.readonly",
              "primaryEmail"),
    "groups": ("groups", 200, "https://www.googleapis.com/auth/admin.directory.group.readonly",
               "email"),
}

# Reasons of 403 that ask to slow down, and that of a quota of a day, which no waiting helps.
SLOWER = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"}
NO_MORE = {"dailyLimitExceeded"}

# Rollcall knows an object whose key is no GUID by the name-based UUID of the label of
# the directory, a colon and the key, in this namespace.
NAMES = uuid.UUID("5c1d0f8e-3b57-4a5e-9a2e-6f0c94d371b6")


class Directory(Service):

    @staticmethod
    def throttles(status, document):
        return status == 429 or status == 403 and bool(reasons(document) & SLOWER)


class Google(Connector):

    name = "google"

    # --------------------------------------------------------------- the login

    def configure(self, config):
        values = settings(
            config, key_file=str, subject=str, customer="my_customer", groups=True,
            api_url="https://admin.googleapis.com", ca_file=str, timeout=30.0, max_wait=300.0)
        if not values["key_file"]:
            raise Problem("config", "config.key_file is missing")
        self.key_file = values["key_file"]
        try:
            key = json.loads(contents("key_file", self.key_file))
            self.account, private = key["client_email"], key["private_key"]
        except (ValueError, TypeError, KeyError):
            raise Problem("config", f"config.key_file: {self.key_file} is no key of a service"
                          " account: make one of the type JSON") from None
        self.secrets.add(private)
        self.key = Key("config.key_file", private)
        self.key_id = key.get("private_key_id")
        self.client = str(key.get("client_id") or "the client ID of the service account")
        self.login = https("key_file: token_uri",
                           key.get("token_uri") or "https://oauth2.googleapis.com/token")
        self.subject = values["subject"]
        self.customer = values["customer"]
        self.api = https("api_url", values["api_url"]) + "/admin/directory/v1"
        self.kinds = [kind for kind in KINDS if values.get(kind, True)]
        self.scopes = [KINDS[kind][2] for kind in self.kinds]
        self.service = Directory(values["ca_file"], values["timeout"], values["max_wait"],
                                 self.progress)
        self.token = Token(self.fetch_token, self.secrets)

    def fetch_token(self):
        now = int(time.time())
        claims = {"iss": self.account, "scope": " ".join(self.scopes), "aud": self.login,
                  "iat": now, "exp": now + 3600}
        if self.subject:
            claims["sub"] = self.subject
        assertion = self.key.jwt("RS256", {"kid": self.key_id} if self.key_id else {}, claims)
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        try:
            answer = self.service.call(self.login, body=urllib.parse.urlencode(form).encode())
        except Refusal as refusal:
            error = self.secrets.said(refusal.document.get("error") or f"HTTP {refusal.status}")
            said = self.secrets.said(refusal.document.get("error_description") or "")
            hints = {
                "unauthorized_client": f"; in the Admin console, domain-wide delegation must have"
                                       f" {self.client} with the scopes {', '.join(self.scopes)}",
                "invalid_grant": "; the key may have been deleted, the clock of this machine be"
                                 " wrong, or config.subject be nobody",
            }
            raise Problem("auth", f"the login of {self.account} is refused: {error}"
                          + (f": {said}" if said else "") + hints.get(error, "")) from None
        token, good = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise Problem("internal", "the login has no access_token in its answer")
        try:
            return token, float(good)
        except (TypeError, ValueError):
            return token, 600.0

    # ------------------------------------------------------------ the requests

    def call(self, path, query):
        url = f"{self.api}/{path}?{urllib.parse.urlencode(query)}"
        try:
            return self.service.call(url, token=self.token)
        except Refusal as refusal:
            raise self.problem(path, refusal) from None

    def problem(self, path, refusal):
        """Return what an answer other than success means for rollcall."""
        error = refusal.document.get("error")
        error = error if isinstance(error, dict) else {}
        why = reasons(refusal.document)
        said = self.secrets.said(error.get("message") or f"HTTP {refusal.status}")
        if refusal.status == 401:
            return Problem("auth", f"Google does not accept the token: {said}")
        if why & NO_MORE:
            return Problem("throttled", f"{path}: {said}", retry_after=3600)
        if refusal.status == 403:
            hint = "let the administrator of config.subject read users and groups"
            if why & {"accessNotConfigured", "SERVICE_DISABLED"}:
                hint = "enable the Admin SDK API in the project of the service account"
            elif why & {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}:
                hint = f"delegate the scopes {', '.join(self.scopes)} to {self.client}"
            return Problem("refused", f"{path}: {said}; {hint}")
        return Problem("internal", f"{path}: HTTP {refusal.status}: {said}")

    def pages(self, what, kind, **query):
        """Yield the objects of a collection, page by page, and each once."""
        path, most, _, _ = KINDS[kind]
        query = {"customer": self.customer, "maxResults": most, **query}
        if kind == "users":
            query["projection"] = "full"
        tokens, seen = set(), Seen()
        while True:
            document = self.call(path, query)
            # A page without objects has no list of them: kind says that it is one.
            page = document.get(path, [])
            if document.get("kind") != f"admin#directory#{path}" or not isinstance(page, list):
                raise Problem("internal", f"{what}: a page is none of {path}")
            if any(not isinstance(each, dict) for each in page):
                raise Problem("internal", f"{what}: a page has what is no object")
            # The etag of an object changes with more than it shows.
            new = [each for each in page if seen.new(
                what, each.get("id"), {k: v for k, v in each.items() if k != "etag"})]
            yield new
            token = document.get("nextPageToken", "")
            if not isinstance(token, str):
                raise Problem("internal", f"{what}: nextPageToken of a page is no text")
            self.progress(f"{what}: page {len(tokens) + 1}, {len(seen.digests)} so far")
            if not token:
                return
            seen.more(what, new)
            if token in tokens:
                raise Problem("internal", f"{what}: the pages go round in a circle")
            tokens.add(token)
            query["pageToken"] = token

    # ------------------------------------------------------------- the objects

    def objects(self, scopes):
        for kind in self.wanted(scopes, self.kinds):
            reader = None if kind != "users" or not self.subject else self.subject.lower()
            number = 0
            for page in self.pages(kind, kind):
                for raw in page:
                    read = attributes(kind, raw)
                    if kind == "users" and not isinstance(raw.get("suspended"), bool):
                        raise Problem("refused", f"users: Google does not show who is suspended,"
                                      f" such as {raw['id']}; let the administrator of"
                                      " config.subject read users")
                    if reader in addresses(read):
                        reader = None
                    number += 1
                    yield self.dn(raw["id"], kind), read
            # Whoever reads is a user, too.
            if reader or kind == "users" and not number:
                raise Problem("temporary", f"users: {number} came, and {self.subject or 'nobody'}"
                              " is not among them: they are not all")

    # --------------------------------------------------------------- the search

    def found(self, query):
        keys = {address for address in query.addresses | query.usernames if "@" in address}
        for dn in query.dns:
            if match := re.match(r"cn=([0-9a-z_-]+)\s*,", dn):
                keys.add(match[1])
        # A name-based UUID does not say of which key it is: all objects are looked at.
        guids = {str(uuid.UUID(each)) for each in query.guids if re.fullmatch(
            r"\{?[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}\}?", each)}
        keys |= {each for each in query.guids if re.fullmatch(r"[0-9a-z]{8,30}", each)} - guids
        everything = bool(guids or {name for name in query.usernames if "@" not in name})
        for kind in self.kinds:
            if everything:
                raws = (raw for page in self.pages(kind, kind) for raw in page)
            else:
                raws = (raw for key in sorted(keys) for raw in self.one(kind, key))
            known = set()
            for raw in raws:
                if raw.get("id") not in known and self.fits(kind, raw, query, guids):
                    known.add(raw["id"])
                    yield self.dn(raw["id"], kind), attributes(kind, raw), False
        # Those of the last 20 days are few enough to look at each. Groups leave no trace.
        for page in self.pages("deleted users", "users", showDeleted="true"):
            for raw in page:
                if self.fits("users", raw, query, guids):
                    yield self.dn(raw["id"], "users"), attributes("users", raw), True

    def one(self, kind, key):
        """Return the object with an id or an address, in a list; an empty one if there is none."""
        path = f"{KINDS[kind][0]}/{urllib.parse.quote(key, safe='')}"
        query = {"projection": "full"} if kind == "users" else {}
        try:
            return [self.service.call(f"{self.api}/{path}?{urllib.parse.urlencode(query)}",
                                      token=self.token)]
        except Refusal as refusal:
            if refusal.status == 404:
                return []
            if refusal.status not in (400, 403) or "@" not in key:
                raise self.problem(path, refusal) from None
        # That is also the answer for an address in a domain that is not the customer's.
        value = key.replace("\\", "\\\\").replace("'", "\\'")
        return [raw for page in self.pages(kind, kind, query=f"email='{value}'") for raw in page]

    def fits(self, kind, raw, query, guids):
        """Report whether an object is one of those that are asked for."""
        read = attributes(kind, raw)
        names = {str(raw.get(KINDS[kind][3]) or "").lower(),
                 *(value.lower() for value in read.get("employeeID", []))}
        return bool(str(uuid.uuid5(NAMES, f"{self.label}:{raw['id']}")) in guids
                    or raw["id"] in query.guids or addresses(read) & query.addresses
                    or names & query.usernames or self.dn(raw["id"], kind).lower() in query.dns)

    # --------------------------------------------------------------- the checks

    def findings(self):
        if exposed(self.key_file):
            yield ("key", "warning", f"everybody on this machine may read {self.key_file}",
                   f"chmod 600 {self.key_file}")
        try:
            self.token.text()
        except Problem as refused:
            yield ("login", "failed", str(refused), "compare the key, its service account and"
                   " the domain-wide delegation with README.md")
            return
        yield ("login", "ok", f"Google has given a token to {self.account}", "")
        for what, path, query in [("users", "users", {}), ("groups", "groups", {}),
                                  ("deleted users", "users", {"showDeleted": "true"})]:
            if path not in self.kinds:
                continue
            try:
                self.call(path, {"customer": self.customer, "maxResults": 1, **query})
            except Problem as refused:
                yield (what, "failed", str(refused), "grant what README.md says")
            else:
                yield (what, "ok", "can be read", "")


# ------------------------------------------------------------------ the mapping

def attributes(kind, raw):
    """Return an object of Google as attributes of a directory."""
    primary = raw.get(KINDS[kind][3])
    if not isinstance(primary, str) or not primary:
        raise Problem("internal", f"{kind}: {raw.get('id')} has no {KINDS[kind][3]}")
    others = listed(kind, raw, "aliases", "nonEditableAliases")
    found = {"id": raw["id"], "mail": primary,
             "proxyAddresses": ["SMTP:" + primary] + ["smtp:" + each for each in others]}
    if kind == "groups":
        found.update(objectClass=["top", "group"], displayName=raw.get("name"),
                     description=raw.get("description"), adminCreated=raw.get("adminCreated"))
        return filled(found)
    name, work = raw.get("name") or {}, first(raw.get("organizations"), "primary")
    disabled = bool(raw.get("suspended") or raw.get("archived"))
    found.update(
        objectClass=["top", "person", "organizationalPerson", "user"],
        # MS-ADTS section 2.2.16: a normal account, and one that is disabled.
        userAccountControl="514" if disabled else "512",
        userPrincipalName=primary, displayName=name.get("fullName"),
        givenName=name.get("givenName"), sn=name.get("familyName"),
        title=work.get("title"), department=work.get("department"), company=work.get("name"),
        employeeID=[text for text, each in members(raw, "externalIds", "value")
                    if each.get("type") == "organization"],
        otherMails=[text for text, each in members(raw, "emails", "address")
                    if text not in {primary, *others}],
        telephoneNumber=[text for text, each in members(raw, "phones", "value")
                         if each.get("type") == "work"],
        **{key: raw.get(key) for key in ("orgUnitPath", "suspended", "archived",
                                         "isMailboxSetup", "creationTime", "deletionTime")})
    if raw.get("includeInGlobalAddressList") is False:
        found["msExchHideFromAddressLists"] = "TRUE"
    # Custom attributes are named as "Employment-badge": category, hyphen, name.
    for category, values in (raw.get("customSchemas") or {}).items():
        for key, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, list):
                value = [each.get("value") if isinstance(each, dict) else each for each in value]
            label = f"{category}-{key}".replace("_", "-")
            if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", label):
                found[label] = value
    return filled(found)


def filled(found):
    """Return attributes with their values as texts, without those that have none."""
    return {key: values for key, value in found.items() if (values := texts(value))}


def members(raw, name, key):
    """Yield the texts in a list of objects, and the objects; one may lack its text."""
    values = raw.get(name) or []
    for each in values if isinstance(values, list) else [None]:
        text = each.get(key, "") if isinstance(each, dict) else None
        if not isinstance(text, str):
            raise Problem("internal", f"users: {name} of {raw.get('id')} has what is no text")
        yield text, each


def first(values, flag):
    """Return the object of a list that has a flag, or the first one."""
    some = [each for each in values or [] if isinstance(each, dict)]
    return next((each for each in some if each.get(flag)), some[0] if some else {})


def addresses(read):
    """Return the addresses of an object in lower case."""
    return {value.split(":", 1)[1].lower() for value in read.get("proxyAddresses", [])}


def reasons(document):
    """Return the reasons of an error: those of the Directory API, and those of all APIs."""
    error = document.get("error")
    error = error if isinstance(error, dict) else {}
    some = [each for name in ("errors", "details") for each in error.get(name) or []
            if isinstance(each, dict)]
    return {str(each.get("reason")) for each in some}


if __name__ == "__main__":
    Google().run()
