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

  // excerpt returns the text around the first of the words.
  const excerpt = (text, words) => {
    const at = Math.max(0, Math.min(...words.map((word) => text.toLowerCase().indexOf(word)).filter((n) => n >= 0)) - 80);
    return (at > 0 ? "…" : "") + text.slice(at, at + 240).replace(/\s+/g, " ") + "…";
  };

  // search lists the pages that have all the words, those with a word in their title
  // first.
  const search = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = words.length === 0;
    article.hidden = !found.hidden;
    const count = (text, word) => text.toLowerCase().split(word).length - 1;
    const hits = pages
      .filter((page) => words.every((word) => count(page.title + " " + page.text, word) > 0))
      .map((page) => ({ page, weight: words.reduce((sum, word) => sum + 50 * count(page.title, word) + count(page.text, word), 0) }))
      .sort((a, b) => b.weight - a.weight);
    found.replaceChildren(element("p", hits.length === 0 ? "No page has " + words.join(" and ") + "." : hits.length + (hits.length === 1 ? " page" : " pages")));
    for (const { page } of hits) {
      const link = Object.assign(element("a", page.title), { href: root + page.path });
      const heading = document.createElement("h2");
      heading.append(link);
      found.append(heading, element("p", excerpt(page.text, words)));
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
