// Sorts a table by the column whose heading is pressed; the page is complete without it.
document.querySelectorAll("table.sortable thead th").forEach((heading) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => {
    const body = heading.closest("table").tBodies[0];
    const up = heading.getAttribute("aria-sort") !== "ascending";
    const key = (row) => row.cells[heading.cellIndex].dataset.order ?? row.cells[heading.cellIndex].textContent;
    const compare = (a, b) => (a === "") - (b === "") || (a - b || a.localeCompare(b, "en", { numeric: true })) * (up ? 1 : -1);
    heading.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...[...body.rows].sort((a, b) => compare(key(a).trim(), key(b).trim())));
  });
});
