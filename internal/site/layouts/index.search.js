"use strict";
{
  const pages = [
  {{- range site.RegularPages }}
    {{ dict "title" (partial "title" .) "path" (strings.TrimPrefix "/" .RelPermalink) "text" (.Plain | htmlUnescape) | jsonify }},
  {{- end }}
  ];
  const root = document.currentScript.src.replace(/[^/]*$/, "");
  const field = document.getElementById("search");
  const found = document.getElementById("found");
  const article = document.querySelector("article");

  const element = (name, text) => Object.assign(document.createElement(name), { textContent: text });

  // places returns where a text has a word, at the beginning of one of its own.
  const places = (text, word) => {
    const at = [];
    for (let n = text.indexOf(word); n >= 0; n = text.indexOf(word, n + 1)) {
      if (n === 0 || !/[\p{L}\p{N}]/u.test(text[n - 1])) at.push(n);
    }
    return at;
  };

  // search lists the pages that have all the words, those first that have them
  // together, or in their title.
  const search = () => {
    const phrase = field.value.toLowerCase().trim().replace(/\s+/g, " ");
    const words = phrase.split(" ").filter(Boolean);
    found.hidden = words.length === 0;
    article.hidden = !found.hidden;
    const hits = [];
    for (const { title, path, text } of pages) {
      const all = title + " " + text.replace(/\s+/g, " ");
      const lower = all.toLowerCase();
      if (!words.every((word) => places(lower, word).length > 0)) continue;
      const together = places(lower, phrase);
      const weight = 100 * together.length + words.reduce((sum, word) => sum + 50 * places(title.toLowerCase(), word).length + places(lower, word).length, 0);
      const from = Math.max(0, (together.find((n) => n > title.length) ?? places(lower, words[0])[0]) - 80);
      hits.push({ title, path, weight, excerpt: (from > 0 ? "…" : "") + all.slice(from, from + 240) + "…" });
    }
    hits.sort((a, b) => b.weight - a.weight);
    found.replaceChildren(element("p", hits.length === 0 ? "No page has " + words.join(" and ") + "." : hits.length + (hits.length === 1 ? " page" : " pages")));
    for (const hit of hits) {
      const heading = document.createElement("h2");
      heading.append(Object.assign(element("a", hit.title), { href: root + hit.path }));
      found.append(heading, element("p", hit.excerpt));
    }
  };
  field.addEventListener("input", search);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      field.value = "";
      search();
    }
  });
}
