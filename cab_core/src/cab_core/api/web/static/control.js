// Commands: asked for once more, with a reason, and in LIVE by typing what they are about.

import { refresh } from "./live.js";

const byId = (id) => document.getElementById(id);
const TEXTS = {
  start: ["Start", "Trading begins."],
  pause: ["Pause", "No new position is opened. Exits and protection go on."],
  resume: ["Resume", "New positions may be opened again."],
  stop: ["Stop", "The bot decides nothing more about it until it is started. Nothing is sold; stop and targets are watched on."],
  close: ["Close", "Everything that is held of it is sold now, at the market's price. What rests at the exchange is canceled first."],
  release: ["Release", "The halt ends, and entries are possible again."],
};

let asked = null;

function ask(button) {
  const { command, symbol, rule, typed } = button.dataset;
  const [word, text] = TEXTS[command];
  asked = { command, symbol, rule, typed, key: crypto.randomUUID() };
  byId("ask-title").textContent = `${word} ${symbol || rule || "everything"}?`;
  byId("ask-text").textContent = text;
  byId("ask-yes").textContent = word;
  byId("ask-yes").dataset.command = command;
  byId("ask-reason").value = "";
  byId("ask-word").value = "";
  byId("ask-expected").textContent = typed;
  byId("ask-typed").hidden = !typed;
  byId("ask-problem").textContent = "";
  byId("ask").showModal();
}

async function send(event) {
  event.preventDefault();
  const { command, symbol, rule, typed, key } = asked;
  if (typed && byId("ask-word").value.trim().toUpperCase() !== typed.toUpperCase()) {
    byId("ask-problem").textContent = `That is not ${typed}.`;
    return byId("ask-word").focus();
  }
  byId("ask-yes").disabled = true;
  try {
    const answer = await fetch(`/api/v1/commands/${command}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf, "idempotency-key": key },
      body: JSON.stringify({ symbol: symbol || null, rule: rule || null, reason: byId("ask-reason").value, ...(command === "close" && { confirm: symbol || "ALL" }) }),
    });
    const told = await answer.json();
    if (!answer.ok) {
      byId("ask-problem").textContent = [told.detail, told.fix].filter(Boolean).join(" – ");
      return;
    }
    byId("ask").close();
    const closed = (told.closings || []).map((each) => `${each.symbol} ${each.state.replace("_", " ")}${each.detail ? `: ${each.detail}` : ""}`).join("; ");
    byId("toast").textContent = closed || (told.changed ? `Done: ${TEXTS[command][0].toLowerCase()} ${symbol || rule || ""}` : "It was so already");
    setTimeout(() => { byId("toast").textContent = ""; }, 4000);
    refresh();
  } catch {
    byId("ask-problem").textContent = "No answer from the bot. Try again: it is done once at most.";
  } finally {
    byId("ask-yes").disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-command]:not(#ask-yes)");
  if (button) ask(button);
});
byId("ask").querySelector("form").addEventListener("submit", send);
byId("ask-no").addEventListener("click", () => byId("ask").close());
