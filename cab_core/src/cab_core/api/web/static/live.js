// Keeps the live parts fresh, says when that fails, and brings keys, themes and local times.

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const LIVE = ["band", "live"];
const PACE_MS = 1000;
const IDLE_MS = 20000;
const LONGEST_WAIT_MS = 15000;

let last = 0;
let due = 0;
let asking = false;
let attempts = 0;

function keepFocus(part, swap) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const mark = focused && (focused.id ? "#" + CSS.escape(focused.id) : focusPath(part, focused));
  const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
  const scrolled = [...part.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  swap();
  for (const id of open) byId(id)?.setAttribute("open", "");
  part.querySelectorAll(".scroll").forEach((each, place) => { each.scrollLeft = scrolled[place] || 0; });
  if (mark) part.querySelector(mark)?.focus({ preventScroll: true });
}

function focusPath(part, element) {
  const steps = [];
  for (let each = element; each !== part; each = each.parentElement) {
    steps.unshift(`${each.localName}:nth-child(${[...each.parentElement.children].indexOf(each) + 1})`);
  }
  return ":scope > " + steps.join(" > ");
}

function swapIn(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const id of LIVE) {
    const [old, now] = [byId(id), fresh.getElementById(id)];
    if (!old || !now || old.innerHTML === now.innerHTML && old.className === now.className) continue;
    keepFocus(old, () => {
      old.className = now.className;
      old.replaceChildren(...now.childNodes);
    });
  }
  document.dispatchEvent(new Event("cab:fresh"));
}

const reading = (part) => {
  const chosen = getSelection();
  return chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
};

export async function refresh() {
  clearTimeout(due);
  due = 0;
  if (asking || document.hidden || !byId("live") || reading(byId("live"))) return later(PACE_MS);
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { "cab-live": "1" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    swapIn(await answer.text());
    found();
  } catch {
    lose();
  } finally {
    asking = false;
    last = performance.now();
    later(attempts ? PACE_MS * 3 : IDLE_MS);
  }
}

function later(wait) {
  if (!due) due = setTimeout(refresh, wait);
}

function soon() {
  clearTimeout(due);
  due = setTimeout(refresh, Math.max(0, PACE_MS - (performance.now() - last)));
}

function lose() {
  attempts += 1;
  const told = byId("lost");
  told.hidden = false;
  told.textContent = `No connection to the bot; what you see is old. Trying again (${attempts}).`;
  root.dataset.link = "lost";
}

function found() {
  attempts = 0;
  byId("lost").hidden = true;
  delete root.dataset.link;
}

function listen(wait = 1000) {
  const source = new EventSource("/api/v1/stream");
  source.addEventListener("open", () => { wait = 1000; if (attempts) soon(); });
  for (const kind of ["hello", "resync", "decision", "candle", "equity", "state", "order", "fill", "position", "risk", "regime", "health", "notice"]) {
    source.addEventListener(kind, () => { if (kind !== "hello") soon(); });
  }
  source.addEventListener("error", () => {
    lose();
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => listen(Math.min(2 * wait, LONGEST_WAIT_MS)), wait);
  });
}

function switchTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("cab-theme", root.dataset.theme);
}

// "g" waits for the next key however long that takes: no hand and no busy machine is too slow.
let going = false;

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, select, textarea, [contenteditable]")) return;
  const target = going && document.querySelector(`#pages a[data-key="${CSS.escape(event.key)}"]`);
  going = !going && event.key === "g";
  if (target) target.click();
  else if (event.key === "?") byId("keys").showModal();
  else if (event.key === "d") switchTheme();
  else if (event.key === "/" && document.querySelector("input[type=search]")) {
    event.preventDefault();
    document.querySelector("input[type=search]").focus();
  }
}

function tellLocalTime(event) {
  const time = event.target.closest?.("time[datetime]");
  if (!time || time.dataset.local) return;
  time.dataset.local = "1";
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  time.title += "\n" + local.format(new Date(time.dateTime)) + " here";
}

async function onCopy(event) {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
  byId("toast").textContent = "Copied";
  setTimeout(() => { byId("toast").textContent = ""; }, 3000);
}

byId("theme").addEventListener("click", switchTheme);
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("logout")?.addEventListener("click", async () => {
  await fetch("/logout", { method: "POST", headers: { "x-csrf-token": document.body.dataset.csrf }, redirect: "manual" });
  location.assign("/login");
});
document.querySelector("#pages [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
document.addEventListener("keydown", onKey);
document.addEventListener("mouseover", tellLocalTime);
document.addEventListener("focusin", tellLocalTime);
document.addEventListener("click", onCopy);
document.addEventListener("change", (event) => event.target.closest?.("#toggles")?.requestSubmit());
document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
listen();
later(IDLE_MS);
