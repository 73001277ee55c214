// A table that is wider than the page scrolls; with this it does so by the keyboard, too.
addEventListener("load", () => {
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) table.tabIndex = 0;
});
