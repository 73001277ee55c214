// The page as it is now, once a second: a section that has changed gets its new content.
const LOST_AFTER = 5000;
let heard = Date.now();

const source = new EventSource("/live");
source.onmessage = (event) => {
  heard = Date.now();
  const fresh = new DOMParser().parseFromString(event.data, "text/html");
  for (const section of fresh.querySelectorAll("section")) {
    const shown = document.getElementById(section.id);
    if (shown.isEqualNode(section)) continue;
    const focused = shown.contains(document.activeElement) && document.activeElement.href;
    shown.className = section.className;
    shown.replaceChildren(...section.childNodes);
    if (focused) [...shown.querySelectorAll("a")].find((link) => link.href === focused)?.focus({ preventScroll: true });
  }
  document.title = `talaria: ${document.querySelector("h1").textContent}`;
};

setInterval(() => {
  const lost = Date.now() - heard > LOST_AFTER;
  document.body.classList.toggle("lost", lost);
  if (lost) document.querySelector("#clock p").textContent = "The gateway does not answer: all of this is old.";
}, 1000);
