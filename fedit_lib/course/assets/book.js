// The menu of narrow screens, and the search. Without scripts the contents stand above the text.
document.documentElement.classList.add("script");
const contents = document.getElementById("contents");
const menu = document.getElementById("menu");
menu.addEventListener("click", () => {
  menu.setAttribute("aria-expanded", String(contents.classList.toggle("shown")));
});

const field = document.getElementById("search");
const hits = document.getElementById("hits");
field.parentElement.hidden = false;

function find(words) {
  // A word in a heading counts ten times; all words must occur in the section or in its headings.
  const found = [];
  for (const entry of BOOK) {
    const heading = (entry.p + " " + entry.s).toLowerCase();
    const text = entry.t.toLowerCase();
    let score = 0;
    if (words.every((word) => heading.includes(word) || text.includes(word))) {
      for (const word of words) score += (heading.includes(word) ? 10 : 0) + text.split(word).length - 1;
      found.push([score, entry]);
    }
  }
  return found.sort((a, b) => b[0] - a[0]).slice(0, 12).map((pair) => pair[1]);
}

field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
  hits.replaceChildren();
  if (!words.length) return;
  const found = find(words);
  if (!found.length) hits.append("Nothing found.");
  for (const entry of found) {
    const at = Math.max(0, entry.t.toLowerCase().indexOf(words[0]) - 40);
    const link = Object.assign(document.createElement("a"), { href: field.dataset.top + entry.a, textContent: entry.s });
    const around = Object.assign(document.createElement("small"), { textContent: entry.t.slice(at, at + 110) });
    const item = document.createElement("li");
    item.append(link, around);
    hits.append(item);
  }
});
