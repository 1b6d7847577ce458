// A SCIM 2.0 server for tests. Protocol, schemas, filters, PATCH and Bulk are those
// of scimmy and scimmy-routers; the rows live in memory and in a file of one line a
// change, so that a server that was killed has all that it had answered.
//
//   node server.mjs '{"port":8443,"cert":"cert.pem","key":"key.pem","state":"rows","token":"...","reader":"..."}'
//
// The token may do anything, the one of reader may read.
import express from "express";
import fs from "node:fs";
import https from "node:https";
import crypto from "node:crypto";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const o = JSON.parse(process.argv[2]);
const rows = new Map(); // by id
const names = new Map(); // the id of who has a userName, in lower case

const keep = (row) => {
    drop(row.id);
    rows.set(row.id, row);
    names.set(row.userName.toLowerCase(), row.id);
};
const drop = (id) => {
    if (rows.has(id)) names.delete(rows.get(id).userName.toLowerCase());
    return rows.delete(id);
};
if (fs.existsSync(o.state))
    for (const line of fs.readFileSync(o.state, "utf8").split("\n").slice(0, -1)) {
        const { put, gone } = JSON.parse(line);
        put ? keep(put) : drop(gone);
    }
const state = fs.openSync(o.state, "a");
const record = (change) => fs.writeSync(state, JSON.stringify(change) + "\n");

const missing = (id) => new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
SCIMMY.Resources.declare(SCIMMY.Resources.User, {
    async ingress(resource, data) {
        const id = resource.id ?? crypto.randomUUID(), was = rows.get(id);
        if (resource.id && !was) throw missing(id);
        const other = names.get(data.userName.toLowerCase());
        if (other && other !== id) throw new SCIMMY.Types.Error(409, "uniqueness", `userName '${data.userName}' is already in use`);
        const now = new Date().toISOString();
        const row = { ...JSON.parse(JSON.stringify(data)), id, meta: { created: was?.meta.created ?? now, lastModified: now } };
        row.meta.version = `W/"${crypto.randomUUID()}"`;
        keep(row);
        record({ put: row });
        return row;
    },
    async egress(resource) {
        if (resource.id) {
            if (!rows.has(resource.id)) throw missing(resource.id);
            return rows.get(resource.id);
        }
        let all = [...rows.values()];
        if (resource.filter) all = resource.filter.match(all);
        // One page, since SCIMMY makes an object of its own of each row that it gets.
        const k = resource.constraints;
        if (k && !k.sortBy) {
            const start = Math.max(1, k.startIndex ?? 1);
            k.totalResults = all.length;
            all = all.slice(start - 1, start - 1 + (k.count ?? 20));
        }
        return all;
    },
    async degress(resource) {
        if (!drop(resource.id)) throw missing(resource.id);
        record({ gone: resource.id });
    },
});

const app = express();
app.use("/scim/v2", (req, res, next) => {
    if (req.method === "GET" || req.header("Authorization") !== `Bearer ${o.reader}`) return next();
    res.status(403).type("application/scim+json").send(JSON.stringify({
        schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"], status: "403", detail: "this token may read alone",
    }));
});
app.use("/scim/v2", new SCIMMYRouters({
    type: "bearer",
    handler: (req) => {
        if (![o.token, o.reader].map((t) => `Bearer ${t}`).includes(req.header("Authorization"))) throw new Error("wrong token");
        return "tester";
    },
}));
https.createServer({ cert: fs.readFileSync(o.cert), key: fs.readFileSync(o.key) }, app).listen(o.port, "127.0.0.1");
