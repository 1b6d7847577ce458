"use strict";
(() => {
  // What the page knows. A column of texts has 0 for the text of the row above
  // and 1 for the one that the account has before the change.
  const source = document.getElementById("data");
  const data = JSON.parse(source.textContent);
  source.remove();
  const fill = (column, beside) => {
    let above = "";
    for (let i = 0; i < column.length; i++) {
      if (column[i] === 0) column[i] = above;
      else if (column[i] === 1) column[i] = beside[i];
      above = column[i];
    }
  };
  data.sides.forEach((side) => side.forEach((column, f) => fill(column, data.sides[0][f])));
  for (const table of [data.drift, data.changes, data.only, data.because, data.lost, data.left_out, data.rejections]) {
    for (const name of Object.keys(table)) fill(table[name]);
  }
  const PRIMARY = 0, ALIASES = 1, TYPE = 2, STATUS = 3, DIRECTORY = 4, GUID = 5, USERNAME = 6, DN = 7;
  // Numbers of accounts are differences; rows of which something holds are named.
  let above = 0;
  data.before = data.before.map((step) => above += step);
  data.after = data.after.map((step, r) => data.before[r] + step);
  const keptBack = new Set(data.kept_back), heldBack = new Set(data.withheld);
  // The account as it is, as it will be, and, where a brake withholds anything,
  // as the directories want it.
  const BEFORE = 0, AFTER = 1, WANTED = 2;
  const value = (side, field, account) => account < 0 ? "" : data.sides[side][field][account];
  const before = (r, field) => value(BEFORE, field, data.before[r]);
  const withheld = (r) => keptBack.has(r);
  // The changes that take drift back.
  const correcting = new Set(data.corrects);
  const after = (r, field) => value(withheld(r) ? WANTED : AFTER, field, data.after[r]);
  const rejections = data.rejections, leftOut = data.left_out, drift = data.drift;
  const count = (n, one, many) => n.toLocaleString("en-US") + " " + (n === 1 ? one : many);

  // --- texts -------------------------------------------------------------

  // What acts on a terminal, and what cannot be seen.
  const acting = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;
  const unseen = /[^\p{L}\p{M}\p{N}\p{P}\p{S} \u3000]/u;
  const escaped = (c) => {
    const n = c.codePointAt(0);
    if (n < 0x80) return "\\x" + n.toString(16).padStart(2, "0");
    return n > 0xffff ? "\\U" + n.toString(16).padStart(8, "0") : "\\u" + n.toString(16).padStart(4, "0");
  };
  const longest = 4096;

  // visible writes a value so that a reader sees all of it: what is invisible,
  // and spaces at either end, as escapes. Joiners of scripts and emoji stay.
  const visible = (text) => {
    if (text.length > longest) return visible(text.slice(0, longest / 2)) + "…" + visible(text.slice(-longest / 2));
    if (!unseen.test(text) && !/^ | $/.test(text)) return text;
    const inner = text.replace(/^ +| +$/g, "");
    const left = text.indexOf(inner);
    let shown = "", last = 0;
    for (const c of inner) {
      const joins = (c === "\u200c" || c === "\u200d") && last >= 0x80;
      const hidden = !joins && unseen.test(c);
      shown += hidden ? escaped(c) : c;
      last = hidden ? 0 : c.codePointAt(0);
    }
    return "\\x20".repeat(left) + shown + "\\x20".repeat(text.length - left - inner.length);
  };

  // node makes an element; texts among its children become text and never
  // markup.
  const node = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, text] of Object.entries(attributes)) made.setAttribute(name, text);
    made.append(...children);
    return made;
  };
  // Every text runs from left to right, whatever its first letters are: in a
  // sentence, or a name of an entry, they may be those of a value.
  const shown = (text) => node("bdi", { dir: "ltr" }, visible(text));
  // parts is a value that breaks behind commas, as in names of entries, and, on paper,
  // in no address that fits on a line.
  const longestWhole = 48;
  const breaking = (text) => text.split(/(?<=,)/).flatMap((part, i) => i > 0 ? [node("wbr"), part] : [part]);
  const parts = (text) => {
    const seen = visible(text), look = seen.split(/[\s,]/).some((word) => word.length > longestWhole) ? { dir: "ltr", class: "long" } : { dir: "ltr" };
    if (seen.length > 400 || !seen.includes("@")) return node("bdi", look, ...breaking(seen));
    return node("bdi", look, ...seen.split(/([^\s,;:"]+@[^\s,;:"]+)/).flatMap((part, i) =>
      i % 2 === 1 && part.length <= longestWhole ? [node("span", { class: "address" }, ...part.split(/(?<=@)/).flatMap((half, i) => i > 0 ? [node("wbr"), half] : [half]))] : breaking(part)));
  };
  const by = (id) => document.getElementById(id);

  // --- columns -----------------------------------------------------------

  // A column has a head, the text of a row, how wide it is beside the others,
  // and whether it only helps, so that a narrow page does without. It may have a
  // second text, which stands below the first.
  const column = (head, text, wide = 2, helps = false) => ({ head, text, wide, helps });
  const helping = (head, text, wide = 2) => column(head, text, wide, true);
  const address = (head = "address") => column(head, (r) => data.changes.address[r], 3);
  const was = (head, field, wide) => column(head, (r) => before(r, field), wide);
  const now = (head, field, wide) => column(head, (r) => after(r, field), wide);
  // Paper has no room for most of these.
  const aids = (head, side, field, wide) => ({ ...helping(head, (r) => side(r, field), wide), printed: field > DN });
  const username = (side, head = "username") => aids(head, side, USERNAME, 1.3);
  const entry = (side, head = "entry") => aids(head, side, DN, 3);
  const NAME = data.fields.indexOf("display_name", DN + 1);
  const called = (side) => NAME < 0 ? [] : [aids("name", side, NAME, 1.5)];

  const onlyOf = (name, r) => data.only[name][r - groupOf("attribute_change").first];
  const attributeOf = (r) => onlyOf("attribute_change", r);
  const reasons = { ...data.because, ...data.lost };
  const reasonOf = (r) => reasons[categoryOf(r).name][r - categoryOf(r).first];
  const fieldOf = (r) => {
    const name = attributeOf(r);
    return name === "dn" ? DN : data.fields.indexOf(name, DN + 1);
  };
  const addedAs = (r) => {
    if (after(r, PRIMARY) !== data.changes.address[r]) return "alias of " + after(r, PRIMARY);
    return before(r, PRIMARY) === "" ? "new " + after(r, TYPE) : "new primary";
  };
  const wasRole = (r) => {
    const primary = before(r, PRIMARY);
    if (primary !== data.changes.address[r]) return "alias of " + primary;
    return after(r, STATUS) === "active" ? "primary, now " + after(r, PRIMARY) : before(r, TYPE) + " account";
  };

  // What a limit withholds, and what takes drift back.
  const marks = [column("mark", (r) => [withheld(r) ? "withheld" : "", correcting.has(r) ? "drift" : ""].filter(Boolean).join(", "), 1.6)];
  const marked = (g, said = 0) => data.kept_back.filter((r) => within(g, r)).length > said || data.corrects.some((r) => within(g, r)) ? marks : [];

  // Where a limit withholds all changes of a kind, its name says so.
  const markedIn = (g) => marked(g, data.kept_back.filter((r) => within(g, r)).length === g.rows ? g.rows : 0);

  const columns = {
    add: [address(), column("as", addedAs), ...called(after), username(after), entry(after)],
    inactive: [address(), helping("was", wasRole), ...called(before).map((c) => ({ ...c, helps: false })), column("because", (r) => data.meanings[reasonOf(r)] ?? ""), username(before), entry(before)],
    primary_change: [address("new primary"), was("was", PRIMARY), ...called(after), username(after), entry(after)],
    directory_switch: [address(), was("from directory", DIRECTORY, 1), now("to directory", DIRECTORY, 1), username(after), entry(after)],
    alias_switch: [address(), was("from account", PRIMARY), now("to account", PRIMARY)],
    alias_to_primary: [address(), was("was alias of", PRIMARY), username(after, "goes to"), entry(after)],
    primary_to_alias: [address(), now("now alias of", PRIMARY), username(before, "was primary of"), entry(before)],
    primary_switch: [address(), was("from", USERNAME, 1), now("to", USERNAME, 1), aids("guid before", before, GUID), aids("guid after", after, GUID)],
    type_change: [address(), was("type before", TYPE, 1), now("type after", TYPE, 1), column("because", reasonOf)],
    username_change: [address(), was("username before", USERNAME), now("username after", USERNAME)],
    adoption: [address(), username(after), entry(after, "owner"), aids("guid", after, GUID)],
    guid_change: [address(), was("guid before", GUID), now("guid after", GUID), username(after)],
    removal: [address(), now("address now of", PRIMARY), username(before), entry(before), aids("guid", before, GUID)],
    reactivation: [address(), username(after), entry(after), aids("guid", after, GUID)],
    attribute_change: [
      address(), column("attribute", attributeOf, 1),
      column("before", (r) => attributeOf(r) === "dn" ? onlyOf("from", r) || "(none)" : before(r, fieldOf(r))),
      column("after", (r) => attributeOf(r) === "dn" ? onlyOf("to", r) || "(none)" : after(r, fieldOf(r))),
    ],
  };
  const rejection = (name) => (r) => rejections[name][r];
  const rejectionColumns = [
    column("address", rejection("address"), 2.8),
    ...rejections.standing.some((text) => text !== "") ? [column("since", rejection("standing"), 1)] : [],
    helping("entry or account", (r) => rejections.dn[r] || rejections.primary[r]),
    { ...column("why, and what to do", rejection("message"), 4.5), second: rejection("remedy") },
  ];
  const driftColumns = [
    column("account", (r) => drift.account[r] || "(no primary)", 2.5), column("field", (r) => drift.field[r], 1.4),
    helping("recorded", (r) => drift.recorded[r]), column("found", (r) => drift.found[r]), helping("ref", (r) => drift.ref[r], 1),
  ];
  const leftOutColumns = [
    column("address", (r) => leftOut.address[r], 3), column("change", (r) => leftOut.reason[r], 1),
    helping("account", (r) => leftOut.primary[r]), column("because", (r) => leftOut.why[r]),
  ];

  const within = (g, r) => r >= g.first && r < g.first + g.rows;
  const groupOf = (name) => data.categories.find((g) => g.name === name);
  const categoryOf = (r) => data.categories.find((g) => within(g, r));
  const selfOf = (r) => ["inactive", "removal"].includes(categoryOf(r).name) ? before : after;
  const directoryColumn = aids("directory", (r, field) => selfOf(r)(r, field), DIRECTORY, 1);
  const primaryOf = (r) => {
    switch (categoryOf(r).name) {
      case "add": case "alias_switch": case "primary_to_alias": return after(r, PRIMARY);
      case "inactive": return before(r, PRIMARY);
    }
    return data.changes.address[r];
  };

  // --- tabs --------------------------------------------------------------

  // placesOf says of each of n rows which group it is of, -1 for none.
  const placesOf = (n, groups) => {
    const places = new Int32Array(n).fill(-1);
    groups.forEach((g, i) => {
      let r = 0;
      if (!g.steps) places.fill(i, g.first, g.first + g.rows);
      else for (const step of g.steps) places[r += step] = i;
    });
    return places;
  };
  // Equal changes are one line until a reader opens them.
  const equal = placesOf(data.changes.address.length, data.groups);
  const folded = (name) => {
    const groups = data.groups.filter((g) => name === "" || g.category === name);
    return groups.length === 0 ? {} : { groups, group: null, places: equal, folds: new Set(groups), every: "all changes", label: "Equal changes" };
  };

  const range = (first, rows) => Int32Array.from({ length: rows }, (_, i) => first + i);
  const changes = data.changes.address.length;
  const tabs = [{ id: "summary", name: "Summary" }];
  const tab = (id, name, group, first, rows, columns, more) =>
    rows > 0 && tabs.push({ id, name, kind: group.kind, meaning: group.meaning, all: range(first, rows), columns, ...more });
  tab("changes", "All changes", { kind: "", meaning: "every change of the plan" }, 0, changes, [
    address(), column("change", (r) => categoryOf(r).one, 3), ...marked({ first: 0, rows: changes }), helping("account", primaryOf, 2.5),
    helping("name", (r) => NAME < 0 ? "" : selfOf(r)(r, NAME), 1.7),
  ], { of: "change", noun: ["change", "changes"], ...folded("") });
  for (const g of data.categories) {
    const several = data.several && g.name !== "directory_switch";
    tab(g.name, g.meaning, { kind: g.kind, meaning: "" }, g.first, g.rows, [...columns[g.name].toSpliced(1, 0, ...markedIn(g)), ...several ? [directoryColumn] : []],
      { of: "change", code: g.name, noun: ["change of this kind", "changes of this kind"], ...folded(g.name) });
  }
  tab("left_out", "Left out", { kind: "skipped", meaning: "not made: --only and --except leave them out" }, 0, leftOut.address.length, leftOutColumns,
    { of: "left_out", noun: ["change left out", "changes left out"] });
  tab("drift", "Drift", { kind: "drifted", meaning: "what somebody changed in the console by hand" }, 0, drift.account.length, driftColumns,
    { of: "drift", noun: ["difference", "differences"], groups: data.drift_kinds, places: placesOf(drift.account.length, data.drift_kinds), group: null, every: "all kinds", label: "Kind" });
  tab("rejections", "Rejections", { kind: "rejected", meaning: "what is rejected and why, by reason" }, 0, rejections.address.length, rejectionColumns,
    { of: "rejection", noun: ["rejection", "rejections"], groups: data.reasons, places: placesOf(rejections.address.length, data.reasons), group: null, every: "all reasons", label: "Reason", wraps: true });

  // --- search ------------------------------------------------------------

  // The texts that are searched: of each account before and after, of drift, of
  // each rejection and of each row that is left out; made once.
  let index;
  const makeIndex = () => {
    const join = (table, n) => {
      const lists = Object.values(table);
      return Array.from({ length: n }, (_, i) => lists.map((list) => list[i]).join("\n").toLowerCase());
    };
    const [old, young, wanted] = data.sides;
    index = {
      accounts: Array.from({ length: old[PRIMARY].length }, (_, i) => {
        const texts = [];
        for (let f = 0; f < data.fields.length; f++) {
          texts.push(old[f][i]);
          if (young[f][i] !== old[f][i]) texts.push(young[f][i]);
          if (wanted && wanted[f][i] !== young[f][i]) texts.push(wanted[f][i]);
        }
        if (heldBack.has(i)) texts.push("withheld");
        return texts.join("\n").toLowerCase();
      }),
      drift: join(drift, drift.account.length),
      rejections: join(rejections, rejections.address.length),
      leftOut: join(leftOut, leftOut.address.length),
    };
  };

  const filter = { words: [], directory: null, type: null, fresh: false };

  // has returns, for each text, the words that it has, as bits.
  const has = (texts) => {
    const found = new Int32Array(texts.length);
    filter.words.forEach((word, bit) => {
      for (let i = 0; i < texts.length; i++) if (texts[i].includes(word)) found[i] |= 1 << bit;
    });
    return found;
  };
  const select = () => {
    const { words, directory, type, fresh } = filter;
    const every = 2 ** words.length - 1;
    if (every !== 0 && !index) makeIndex();
    const found = every === 0 ? null : { drift: has(index.drift), change: has(index.accounts), rejection: has(index.rejections), left_out: has(index.leftOut) };
    const keeps = {
      drift: (r) => !found || found.drift[r] === every,
      change: (r) => {
        const b = data.before[r], a = data.after[r];
        if (found && ((b < 0 ? 0 : found.change[b]) | (a < 0 ? 0 : found.change[a])) !== every) return false;
        const ofDirectory = (side) => side(r, PRIMARY) !== "" && side(r, DIRECTORY) === directory;
        if (directory !== null && !ofDirectory(before) && !ofDirectory(after)) return false;
        return type === null || (after(r, PRIMARY) === "" ? before : after)(r, TYPE) === type;
      },
      rejection: (r) => (!found || found.rejection[r] === every) && (directory === null || rejections.directory[r] === directory) &&
        (type === null || rejections.type[r] === type) && (!fresh || rejections.standing[r] === "new"),
      left_out: (r) => (!found || found.left_out[r] === every) && (directory === null || leftOut.directory[r] === directory) && (type === null || leftOut.type[r] === type),
    };
    // Each change stands in two tabs.
    const kept = new Uint8Array(changes);
    for (let r = 0; r < changes; r++) kept[r] = keeps.change(r) ? 1 : 0;
    keeps.change = (r) => kept[r] === 1;
    for (const t of tabs) {
      if (!t.all) continue;
      t.rows = t.all.filter((r) => keeps[t.of](r) && (!t.group || groupAt(t, r) === t.group));
      t.lines = linesOf(t);
    }
  };

  // sorted orders rows by the texts of the column that the reader has chosen.
  const sorted = (t, rows) => {
    if (!t.sort) return rows;
    const texts = Array.from(rows, (r) => t.sort.text(r).toLowerCase()), sign = t.descending ? -1 : 1;
    return Array.from(rows.keys()).sort((i, j) => texts[i] < texts[j] ? -sign : texts[i] > texts[j] ? sign : i - j).map((i) => rows[i]);
  };

  const groupAt = (t, r) => (t.folds ? data.groups : t.groups)[t.places[r]];
  // linesOf is what the table of a tab shows: numbers of rows, and, before the rows of
  // each group, -1 for the first one, -2 for the next. Rows of no group come last.
  const linesOf = (t) => {
    if (!t.groups) return Int32Array.from(sorted(t, t.rows));
    const found = new Map(t.groups.map((g) => [g, []])), others = [], lines = [];
    for (const r of t.rows) (found.get(groupAt(t, r)) ?? others).push(r);
    const put = (rows) => { for (const r of sorted(t, rows)) lines.push(r); };
    t.counts = t.groups.map((g, n) => {
      const rows = found.get(g);
      if (rows.length > 0) lines.push(-1 - n);
      if (!closed(t, g)) put(rows);
      return rows.length;
    });
    put(others);
    return Int32Array.from(lines);
  };
  const closed = (t, g) => Boolean(t.folds?.has(g)) && !t.group && filter.words.length === 0;
  const filtered = () => filter.words.length > 0 || filter.directory !== null || filter.type !== null;

  // --- the table ---------------------------------------------------------

  // Only the lines in sight are in the document. Lines of a table that
  // wraps, as all do on a narrow page, and those of groups, are as high as they turn out to be. Browsers limit how high an element may be; beyond that,
  // one pixel of the scroll bar is more of the table.
  const height = 34, wrapped = 90, highest = 8_000_000, spare = 10;
  const scroller = by("scroller"), table = by("table"), body = table.tBodies[0];
  const top = node("tr", { class: "gap", "aria-hidden": "true" }, node("td")), bottom = top.cloneNode(true);
  let current = tabs[0], active = 0, made = new Map();
  // How high each line is, and where it begins.
  let heights, tops;
  const varies = () => Boolean(current.wraps || current.groups || narrow.matches);
  const place = () => {
    tops = new Float64Array(heights.length + 1);
    for (let i = 0; i < heights.length; i++) tops[i + 1] = tops[i] + heights[i];
  };
  const lineAt = (y) => {
    let low = 0, high = heights.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (tops[middle] <= y) low = middle;
      else high = middle;
    }
    return low;
  };

  // As the style has it: columns that only help are not there.
  const narrow = matchMedia("(max-width: 52rem)");
  const view = () => Math.max(scroller.clientHeight - height, height);
  const total = () => tops[heights.length];
  const scale = () => {
    const low = Math.min(total(), highest);
    return low <= view() ? 1 : (total() - view()) / (low - view());
  };
  const cellsOf = (columns, r) => columns.map((c, n) =>
    node(n === 0 ? "th" : "td", n === 0 ? { scope: "row" } : c.helps ? { class: "helps" } : {}, parts(c.text(r)),
      ...c.second ? [node("div", { class: "second" }, parts(c.second(r)))] : []));
  // headOf is the line of a group of which n rows are found.
  // A value keeps its own direction, so that what stands before it stays there.
  const headOf = (g, n) => {
    if (!g.steps) return [shown(n.toLocaleString("en-US") + (g.kind === "rejected" ? " rejected: " : " ") + g.meaning)];
    const all = g.parts.map((text, i) => i % 2 === 1 ? node("bdi", {}, visible(text)) : text);
    return [n < g.steps.length ? n.toLocaleString("en-US") + " of " : "", ...all];
  };
  const line = (i) => {
    const r = current.lines[i];
    const row = node("tr", { "aria-rowindex": i + 2 });
    row.line = i;
    if (r < 0) {
      const g = current.groups[-1 - r], n = current.counts[-1 - r];
      row.className = "head";
      row.append(node("td", { colspan: current.columns.filter((c) => !c.helps || !narrow.matches).length },
        node("strong", {}, ...headOf(g, n)), node("code", {}, g.category ?? g.name)));
      if (!current.folds) return row;
      row.classList.add("folds");
      row.setAttribute("aria-expanded", !closed(current, g));
    }
    row.tabIndex = i === active ? 0 : -1;
    if (r >= 0) row.append(...cellsOf(current.columns, r));
    return row;
  };
  const draw = () => {
    if (!current.all) return;
    const k = scale(), n = current.lines.length, scrolled = scroller.scrollTop, at = scrolled * k;
    const first = Math.max(0, lineAt(at) - spare);
    const last = Math.min(n, lineAt(at + view()) + 1 + spare);
    const focused = body.contains(document.activeElement);
    for (const [i, row] of made) {
      if (i >= first && i < last) continue;
      row.remove();
      made.delete(i);
    }
    let next = top.nextSibling;
    for (let i = first; i < last; i++) {
      const row = made.get(i) ?? line(i);
      if (row === next) {
        next = next.nextSibling;
        continue;
      }
      next.before(row);
      made.set(i, row);
    }
    const above = Math.max(0, scrolled - (at - tops[first]));
    top.firstChild.style.height = above + "px";
    bottom.firstChild.style.height = Math.max(0, Math.min(total(), highest) - above - (tops[last] - tops[first])) + "px";
    if (varies() && measured(at > 0 && at + view() >= total() - 1 ? n : lineAt(at), k)) return draw();
    // The keyboard reaches the table where the active row is out of sight, too.
    scroller.tabIndex = made.has(active) ? -1 : 0;
    if (focused && !body.contains(document.activeElement)) scroller.focus({ preventScroll: true });
  };
  // measured takes over how high the lines in the document are, and reports whether
  // that was not known yet. The anchor stays where it is: the line at the top of what is in
  // sight, or the end of the table.
  const measured = (anchor, k) => {
    const was = tops[anchor];
    let news = false;
    for (const [i, row] of made) {
      const high = row.getBoundingClientRect().height;
      if (high === heights[i]) continue;
      heights[i] = high;
      news = true;
    }
    if (!news) return false;
    place();
    const moved = (tops[anchor] - was) / k;
    if (moved !== 0) scroller.scrollTop += moved;
    return true;
  };
  const redraw = () => {
    if (!current.all) return;
    made = new Map();
    body.replaceChildren(top, bottom);
    table.setAttribute("aria-rowcount", current.lines.length + 1);
    heights = new Float64Array(current.lines.length).fill(height);
    if (current.wraps) current.lines.forEach((r, i) => { if (r >= 0) heights[i] = wrapped; });
    place();
    draw();
  };

  // stops reports whether a line can be the active one.
  const stops = (r) => r >= 0 || Boolean(current.folds);
  // go makes a line the active one and scrolls so that it is in sight.
  const go = (to, step) => {
    const n = current.lines.length;
    to = Math.min(Math.max(to, 0), n - 1);
    while (to >= 0 && to < n && !stops(current.lines[to])) to += step;
    if (to < 0 || to >= n) return false;
    if (made.has(active)) made.get(active).tabIndex = -1;
    active = to;
    // Where lines wrap, it is known how high they are when they are drawn.
    for (let pass = varies() ? 3 : 1; pass > 0; pass--) {
      const k = scale(), at = scroller.scrollTop * k;
      if (tops[to] < at) scroller.scrollTop = tops[to] / k;
      else if (tops[to + 1] > at + view()) scroller.scrollTop = (tops[to + 1] - view()) / k;
      draw();
    }
    made.get(active).tabIndex = 0;
    return true;
  };
  scroller.addEventListener("scroll", draw, { passive: true });
  narrow.addEventListener("change", redraw);
  new ResizeObserver(draw).observe(scroller);
  scroller.addEventListener("keydown", (e) => {
    if (table.tHead.contains(e.target)) return;
    const page = Math.max(1, Math.floor(view() / (current.wraps ? wrapped : height)) - 1), end = current.lines.length - 1;
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: end }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      if (go(to, to < active && to > 0 ? -1 : 1)) made.get(active).focus({ preventScroll: true });
    } else if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      open();
    }
  });
  body.addEventListener("click", (e) => {
    const row = e.target.closest("tr");
    if (row && row.line !== undefined && stops(current.lines[row.line]) && go(row.line, 1)) open();
  });

  // --- what is shown -----------------------------------------------------

  const list = by("tabs");
  for (const t of tabs) {
    t.button = node("button", { type: "button", role: "tab", id: "tab-" + t.id, "aria-controls": t.all ? "rows" : "summary", class: t.kind || "" },
      node("span", { class: "words" }, t.name, ...t.code ? [" ", node("code", {}, t.code)] : []));
    if (["changes", "left_out", "drift", "rejections"].includes(t.id)) t.button.classList.add("apart");
    if (t.all) t.button.append(t.number = node("span", { class: "n" }));
    t.button.addEventListener("click", () => show(t, "pushState"));
    list.append(t.button);
  }
  list.addEventListener("keydown", (e) => {
    const at = tabs.indexOf(current), last = tabs.length - 1;
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: last }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    show(tabs[(to + tabs.length) % tabs.length]);
    current.button.focus();
  });

  const status = () => {
    for (const t of tabs) {
      if (!t.all) continue;
      t.number.textContent = t.rows.length.toLocaleString("en-US");
      t.button.classList.toggle("zero", t.rows.length === 0);
    }
    if (!current.all) return;
    const all = current.all.length, n = current.rows.length;
    by("shown").disabled = n === 0;
    if (n === 0) by("status").replaceChildren(...missed());
    else by("status").textContent = (n === all ? "" : n.toLocaleString("en-US") + " of ") + count(all, ...current.noun);
  };
  // missed says that nothing is found here, and leads to where something is.
  const missed = () => {
    const words = by("search").value.trim(), narrowed = filter.directory !== null || filter.type !== null || filter.fresh;
    const sought = (words === "" ? "" : "\"" + visible(words) + "\"") + (words !== "" && narrowed ? " and " : "") + (narrowed ? "the filters" : "");
    const others = tabs.filter((t) => t.all && !t.code && t !== current && t.rows.length > 0)
      .map((t) => node("a", { href: "#" + t.id }, count(t.rows.length, ...t.noun) + (t.rows.length === 1 ? " does" : " do")));
    return ["no " + current.noun[1] + (current.group ? " of " + current.group.name : "") + " match " + sought, ...others.flatMap((link, i) => [i === 0 ? "; " : ", ", link])];
  };
  const refresh = () => {
    active = current.lines?.length > 0 && !stops(current.lines[0]) ? 1 : 0;
    scroller.scrollTop = 0;
    redraw();
    status();
  };
  const update = () => {
    select();
    if (!current.all && filtered() && tabs.length > 1) return show(tabs.find((t) => t.rows && t.rows.length > 0) || tabs[1]);
    refresh();
  };
  const show = (t, how = "replaceState") => {
    current = t;
    for (const other of tabs) {
      other.button.setAttribute("aria-selected", other === t);
      other.button.tabIndex = other === t ? 0 : -1;
    }
    t.button.scrollIntoView({ block: "nearest", inline: "nearest" });
    by("summary").hidden = Boolean(t.all);
    by("rows").hidden = !t.all;
    if ((location.hash || "#summary").slice(1).split("/")[0] !== t.id) history[how](null, "", "#" + t.id);
    if (!t.all) return status();
    by("rows").setAttribute("aria-labelledby", t.button.id);
    by("heading").textContent = t.name;
    by("code").textContent = t.code ?? "";
    by("meaning").textContent = t.meaning;
    by("reasons").hidden = !t.groups || t.groups.length < 2 && !t.folds;
    if (t.groups) {
      by("groups").textContent = t.label;
      by("reason").replaceChildren(node("option", { value: "" }, t.every), ...t.groups.map((g) => node("option", { value: g.name }, visible(g.meaning))));
      by("reason").value = t.group?.name ?? "";
    }
    by("fresh").hidden = t.id !== "rejections" || !rejections.standing.includes("new");
    const wide = t.columns.reduce((sum, c) => sum + c.wide, 0);
    table.querySelector("colgroup").replaceChildren(...t.columns.map((c) => {
      const col = node("col", c.helps ? { class: "helps" } : {});
      col.style.width = 100 * c.wide / wide + "%";
      return col;
    }));
    table.classList.toggle("wraps", Boolean(t.wraps));
    table.setAttribute("role", t.folds ? "treegrid" : "grid");
    table.tHead.replaceChildren(node("tr", { "aria-rowindex": 1 }, ...t.columns.map((c) => {
      const button = node("button", { type: "button" }, c.head);
      button.addEventListener("click", () => sort(c));
      return node("th", c.helps ? { scope: "col", class: "helps" } : { scope: "col" }, button);
    })));
    sorting();
    refresh();
  };
  // sort orders the rows by a column, then the other way round, then as they were.
  const sort = (c) => {
    const t = current;
    [t.sort, t.descending] = t.sort !== c ? [c, false] : !t.descending ? [c, true] : [null, false];
    t.lines = linesOf(t);
    sorting();
    refresh();
  };
  const sorting = () => current.columns.forEach((c, n) => {
    const head = table.tHead.rows[0].cells[n];
    if (c === current.sort) head.setAttribute("aria-sort", current.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });

  // A link names a tab, and perhaps a group of it: #rejections/legal_hold.
  const follow = () => {
    const [id, group] = location.hash.slice(1).split("/");
    const t = tabs.find((t) => t.id === id);
    if (!t) return false;
    if (t.groups) {
      t.group = t.groups.find((g) => g.name === group) ?? null;
      select();
    }
    show(t);
    return true;
  };
  window.addEventListener("hashchange", follow);

  const options = (id, texts) => {
    for (const text of [...new Set(texts)].sort()) by(id).append(node("option", { value: "=" + text }, text === "" ? "(local)" : visible(text)));
    by(id).parentNode.hidden = by(id).options.length < 3;
    by(id).addEventListener("change", () => {
      filter[id] = by(id).value === "" ? null : by(id).value.slice(1);
      update();
    });
  };
  const present = (field) => data.sides.slice(0, 2).flatMap((side) => [...new Set(side[field].filter((_, i) => side[PRIMARY][i] !== ""))]);
  options("directory", [...present(DIRECTORY), ...new Set(rejections.directory), ...new Set(leftOut.directory)]);
  options("type", [...present(TYPE), ...new Set(rejections.type), ...new Set(leftOut.type)]);
  by("reason").addEventListener("change", () => { location.hash = current.id + (by("reason").value === "" ? "" : "/" + by("reason").value); });
  by("new").addEventListener("change", () => {
    filter.fresh = by("new").checked;
    update();
  });
  let waiting;
  by("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      filter.words = [...new Set(by("search").value.toLowerCase().split(/\s+/).filter(Boolean))].slice(0, 31);
      update();
    }, 80);
  });
  document.querySelector("form").addEventListener("submit", (e) => e.preventDefault());
  // The button offers the other look; until it is used the reader's system
  // decides.
  const preference = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : preference.matches;
  const offer = () => { by("theme").textContent = dark() ? "Light" : "Dark"; };
  by("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    offer();
  });
  preference.addEventListener("change", offer);
  offer();

  // --- the details of a row ----------------------------------------------

  const facts = (pairs) => {
    const all = node("dl", { class: "about" });
    for (const [name, text] of pairs) if (text !== "") all.append(node("dt", {}, visible(name)), node("dd", {}, shown(text)));
    return all;
  };
  // sides shows an account before and after, value by value.
  const sides = (account) => {
    const there = data.sides.map((side) => side[PRIMARY][account] !== "");
    const names = ["before", "after", "wanted, which a limit withholds"];
    const columns = data.sides.map((_, side) => side).filter((side) => side < WANTED || heldBack.has(account));
    const mark = (text, other, tag) => !other.includes(text) ? node(tag, {}, parts(text)) : parts(text);
    const values = (side, f) => value(side, f, account) === "" ? [] : f === ALIASES ? value(side, f, account).split(" ") : [value(side, f, account)];
    const rows = [];
    data.fields.forEach((name, f) => {
      const all = columns.map((side) => values(side, f));
      if (all.every((v) => v.length === 0)) return;
      const changed = there[BEFORE] && there[AFTER] && value(BEFORE, f, account) !== value(AFTER, f, account);
      rows.push(node("tr", changed ? { class: "changed" } : {},
        node("th", { scope: "row" }, shown(name), ...changed ? [node("span", { class: "unseen" }, " (changed)")] : []),
        ...all.map((v, side) => node("td", {}, ...v.map((text) => node("div", {},
          !changed || side > 1 ? parts(text) : side === BEFORE ? mark(text, all[AFTER], "del") : mark(text, all[BEFORE], "ins")))))));
    });
    const none = (side) => there[side] ? "" : side === BEFORE ? ": no account" : ": no account any more";
    return [
      node("h3", {}, "Account ", shown(value(AFTER, PRIMARY, account) || value(BEFORE, PRIMARY, account))),
      node("table", { class: "sides" },
        node("thead", {}, node("tr", {}, node("th", { scope: "col" }, "value"), ...columns.map((side) => node("th", { scope: "col" }, names[side] + none(side))))),
        node("tbody", {}, ...rows)),
    ];
  };
  const details = {
    drift: (r) => {
      const of = (name) => drift[name][r];
      const g = data.drift_kinds.find((g) => within(g, r));
      return [of("account") || "(no primary)", node("p", { class: "soft" }, g.name + ": somebody changed the console by hand"),
        facts(["field", "recorded", "found", "ref"].map((name) => [name, of(name)]))];
    },
    change: (r) => {
      const g = categoryOf(r), b = data.before[r], a = data.after[r];
      const what = g.one + (g.name === "attribute_change" ? ": " + attributeOf(r) : "") + (withheld(r) ? ", withheld by a limit" : "") +
        (correcting.has(r) ? ", corrects what was changed in the console by hand" : "");
      return [data.changes.address[r], node("p", {}, visible(what), " ", node("code", {}, g.name)), ...[...new Set([b, a])].filter((n) => n >= 0).flatMap(sides)];
    },
    rejection: (r) => {
      const of = (name) => rejections[name][r];
      const g = data.reasons.find((g) => g.name === of("reason"));
      return [of("address"), node("p", {}, visible(of("message"))), node("p", { class: "remedy" }, "what to do: ", shown(of("remedy"))), facts([
        ["reason", g.meaning + " (" + g.name + ")"], ["since", of("standing")], ["directory", of("directory")], ["scope", of("scope")], ["type", of("type")],
        ["primary", of("primary")], ["entry", of("dn")], ["guid", of("guid")],
      ])];
    },
    left_out: (r) => [leftOut.address[r], node("p", { class: "soft" }, visible(leftOut.why[r])),
      facts(data.header.filter((name) => !["category", "address"].includes(name)).map((name) => [name === "reason" ? "change" : name, leftOut[name][r]]))],
  };
  const dialog = by("details");
  // unfold shows the rows of the group at the active line, or hides them.
  const unfold = () => {
    const g = current.groups[-1 - current.lines[active]];
    if (!current.folds.delete(g)) current.folds.add(g);
    current.lines = linesOf(current);
    redraw();
    made.get(active)?.focus({ preventScroll: true });
  };
  const open = () => {
    const r = current.lines[active];
    if (r === undefined || !stops(r)) return;
    if (r < 0) return unfold();
    const [subject, ...parts] = details[current.of](r);
    by("subject").replaceChildren(shown(subject));
    by("detail").replaceChildren(...parts);
    by("previous").disabled = current.lines.subarray(0, active).every((x) => x < 0);
    by("next").disabled = current.lines.subarray(active + 1).every((x) => x < 0);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    by("subject").focus();
  };
  const step = (by) => {
    let to = active + by;
    while (current.lines[to] < 0) to += by;
    if (to in current.lines && go(to, by)) open();
  };
  by("previous").addEventListener("click", () => step(-1));
  by("next").addEventListener("click", () => step(1));
  by("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (e) => { if (e.target === dialog && e.clientX < dialog.getBoundingClientRect().left) dialog.close(); });
  dialog.addEventListener("close", () => made.get(active)?.focus({ preventScroll: true }));

  // --- CSV, as rollcall show -o csv writes it ----------------------------

  // The values of a row beside those that each category has: of the account
  // before the change, or after it, or, where the name does not say, of the one
  // that the row is about.
  const spelled = {
    add: ["new_primary", "guid", "username", "dn"], inactive: ["original_primary", "guid", "username", "dn"], removal: ["guid", "original_directory", "new_primary"], primary_change: ["original_primary", "new_primary"],
    directory_switch: ["original_directory", "new_directory"], alias_switch: ["original_primary", "new_primary"], alias_to_primary: ["original_primary"],
    primary_to_alias: ["new_primary"], username_change: ["original_username"], adoption: ["guid", "username", "dn"], reactivation: ["guid"],
  };
  const fields = { primary: PRIMARY, type: TYPE, directory: DIRECTORY, guid: GUID, username: USERNAME, dn: DN };
  const spell = (r, name) => {
    if (name.startsWith("original_")) return before(r, fields[name.slice(9)]);
    return name.startsWith("new_") ? after(r, fields[name.slice(4)]) : selfOf(r)(r, fields[name]);
  };
  const named = { 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: "\\\"", 92: "\\\\" };
  const quote = (text) => {
    let quoted = "";
    for (const c of text) quoted += named[c.codePointAt(0)] ?? (unseen.test(c) || c === "\u3000" ? escaped(c) : c);
    return "\"" + quoted + "\"";
  };
  const pairs = (...list) => {
    let text = "";
    for (let i = 0; i < list.length; i += 2) text += (i > 0 ? " " : "") + list[i] + "=" + quote(list[i + 1]);
    return text;
  };
  const detail = {
    attribute_change: (r) => pairs("attribute", attributeOf(r), "original", before(r, fieldOf(r)), "new", after(r, fieldOf(r))),
    primary_switch: (r) => pairs("original_guid", before(r, GUID), "new_guid", after(r, GUID)),
    guid_change: (r) => pairs("original_guid", before(r, GUID), "new_guid", after(r, GUID)),
    type_change: (r) => pairs("original_type", before(r, TYPE), "new_type", after(r, TYPE)),
  };
  // What an account had before and has after.
  const sidesOf = {
    attribute_change: fieldOf, primary_change: () => PRIMARY, username_change: () => USERNAME, directory_switch: () => DIRECTORY, type_change: () => TYPE, primary_switch: () => GUID, guid_change: () => GUID,
  };
  const cells = {
    drift: (r) => Object.values(drift).map((column) => column[r]),
    change: (r) => {
      const name = categoryOf(r).name, self = selfOf(r);
      const row = { category: name, address: data.changes.address[r], type: self(r, TYPE), primary: primaryOf(r), directory: self(r, DIRECTORY) };
      for (const key of spelled[name] ?? []) row[key] = spell(r, key);
      if (name === "attribute_change") row.attribute = attributeOf(r);
      const field = sidesOf[name]?.(r);
      if (field !== undefined) [row.before, row.after] = [before(r, field), after(r, field)];
      if (NAME >= 0) row.display_name = self(r, NAME);
      if (name === "username_change") row.username = after(r, USERNAME);
      if (name in reasons) row.reason = reasonOf(r);
      row.detail = [name in detail ? detail[name](r) : "", withheld(r) ? "withheld" : "", correcting.has(r) ? "drift" : ""].filter(Boolean).join(" ");
      return data.header.map((key) => row[key] ?? "");
    },
    left_out: (r) => data.header.map((key) => leftOut[key][r]),
    rejection: (r) => {
      const standing = rejections.standing[r];
      const row = {
        category: "rejection",
        detail: rejections.message[r] + "; " + rejections.remedy[r] + (standing === "" ? "" : standing === "new" ? "; new" : "; since=" + standing),
      };
      return data.header.map((key) => row[key] ?? rejections[key]?.[r] ?? "");
    },
  };
  // safe keeps a spreadsheet from seeing a formula.
  const safe = (text) => {
    text = text.replace(acting, escaped);
    if (/^[\s'"`‘’“”]*[=+\-@＝＋－＠]/u.test(text)) text = "'" + text;
    return /[",]|^\s|^\\\.$/u.test(text) ? "\"" + text.replaceAll("\"", "\"\"") + "\"" : text;
  };
  const download = (name, tabs, header = data.header) => {
    const lines = [header.join(",") + "\n"];
    for (const t of tabs) for (const r of t.rows) lines.push(cells[t.of](r).map(safe).join(",") + "\n");
    const url = URL.createObjectURL(new Blob(lines, { type: "text/csv" }));
    node("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  };
  by("shown").addEventListener("click", () => download("rollcall-" + current.id + ".csv", [current], current.of === "drift" ? Object.keys(drift) : data.header));
  by("all").addEventListener("click", () => download("rollcall-plan.csv",
    ["changes", "left_out", "rejections"].flatMap((id) => tabs.filter((t) => t.id === id)).map((t) => ({ of: t.of, rows: t.all }))));

  // --- print -------------------------------------------------------------

  // So many rows are printed, and of more only the first of each kind: beyond that,
  // paper is no help.
  const whole = 300, beginning = 25;
  let printed;
  const sheet = (t, name, code, rows, groups = []) => {
    const found = groups.map((g) => [g, rows.filter((r) => groupAt(t, r) === g).length]).filter(([, n]) => n > 0);
    const single = groups.length === 0 ? rows : rows.filter((r) => t.places[r] < 0), more = single.length - printed;
    const columns = t.columns.filter((c) => c.printed !== false);
    return [
      node("h2", {}, rows.length.toLocaleString("en-US") + " " + name, ...code ? [" ", node("code", {}, code)] : []),
      ...found.map(([g, n]) => node("p", {}, node("strong", {}, ...headOf(g, n)))),
      ...single.length === 0 ? [] : [node("table", {}, node("thead", {}, node("tr", {}, ...columns.map((c) => node("th", { scope: "col" }, c.head)))),
        node("tbody", {}, ...Array.from(sorted(t, single).slice(0, printed), (r) => node("tr", {}, ...cellsOf(columns, r)))))],
      ...more > 0 ? [node("p", { class: "soft" }, "… " + count(more, ...t.noun.map((name) => "more " + name)) + ", in the CSV of this page")] : [],
    ];
  };
  window.addEventListener("beforeprint", () => {
    const single = (t) => t.folds ? t.rows.filter((r) => t.places[r] < 0).length : t.rows.length;
    printed = tabs.filter((t) => t.all && t.id !== "changes").reduce((sum, t) => sum + single(t), 0) > whole ? beginning : whole;
    by("print").replaceChildren(...tabs.filter((t) => t.all && t.id !== "changes" && t.rows.length > 0).flatMap((t) => {
      if (!t.groups || t.folds) return sheet(t, t.code ? t.name : t.noun[1], t.code, t.rows, t.groups);
      return t.groups.flatMap((g) => {
        const rows = t.rows.filter((r) => within(g, r));
        return rows.length > 0 ? sheet(t, g.meaning, g.name, rows) : [];
      });
    }));
  });
  window.addEventListener("afterprint", () => by("print").replaceChildren());

  // --- begin -------------------------------------------------------------

  root.classList.add("live");
  for (const hidden of document.querySelectorAll(".tools[hidden], nav[hidden]")) hidden.hidden = false;
  by("summary").setAttribute("role", "tabpanel");
  by("summary").setAttribute("aria-labelledby", "tab-summary");
  list.setAttribute("aria-orientation", "vertical");
  select();
  if (!follow()) show(current);
  (window.requestIdleCallback ?? setTimeout)(() => index ?? makeIndex());
})();
