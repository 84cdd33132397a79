"use strict";
// Actions go to the control API as JSON; what they change comes back as a new rendering of #live.

const said = document.getElementById("said");
const revealed = new Map();  // key of a masked value -> the value

function say(text, bad) {
  said.textContent = text;
  said.classList.toggle("bad", Boolean(bad));
}

async function call(action, body) {
  const [method, path] = action.split(" ");
  const options = {method};
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = {"Content-Type": "application/json"};
  }
  say("");
  try {
    const response = await fetch(path, options);
    const value = await response.json();
    if (!response.ok) say(value.message, true);
    refresh();
    return response.ok;
  } catch {
    say("The sandbox does not respond.", true);
    return false;
  }
}

// A new rendering of this very page; texts were escaped by the server, and scripts do not run.
let busy = false;
let again = false;
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const response = await fetch(location.href, {headers: {Accept: "text/html"}});
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    replace("live", fresh);
    for (const id of ["clock", "pace"]) replace(id, fresh);
  } catch {
    say("The sandbox does not respond.", true);
  }
  busy = false;
  if (again) { again = false; refresh(); }
}

function replace(id, fresh) {
  const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
  if (!old || !next) return;
  const [focused, scrolled] = [document.activeElement && document.activeElement.id, old.querySelector(".wide")];
  const [x, y] = scrolled ? [scrolled.scrollLeft, scrolled.scrollTop] : [0, 0];
  old.replaceWith(document.adoptNode(next));
  for (const button of next.querySelectorAll(".mask")) show(button);
  const wide = next.querySelector(".wide");
  if (wide) wide.scrollTo(x, y);
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({preventScroll: true});
}

const keyOf = button => `${button.dataset.reveal} ${button.dataset.field}`;

function show(button) {
  const value = revealed.get(keyOf(button));
  button.textContent = value === undefined ? "••••••" : value;
  button.setAttribute("aria-pressed", String(value !== undefined));
  if (value === undefined) button.setAttribute("aria-label", button.dataset.label || button.getAttribute("aria-label"));
  else {
    button.dataset.label ||= button.getAttribute("aria-label");
    button.removeAttribute("aria-label");
  }
}

async function reveal(button) {
  const key = keyOf(button);
  if (!revealed.delete(key)) {
    const response = await fetch(button.dataset.reveal);
    let value = await response.json();
    for (const name of button.dataset.field.split(".")) value = value?.[name];
    revealed.set(key, String(value ?? "no longer remembered"));
  }
  // By now, another rendering may have taken the button's place.
  for (const each of document.querySelectorAll(".mask")) if (keyOf(each) === key) show(each);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not allow copying here.", true);
  }
}

document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const {call: action, body, fault, seconds, reveal: source, copy: id, copyText} = button.dataset;
  if (source) reveal(button);
  else if (id) copy(document.getElementById(id).textContent);
  else if (copyText) copy(copyText);
  else if (fault) call(action, seconds ? {fault, seconds: Number(seconds)} : {fault});
  else if (action) call(action, body === undefined ? undefined : JSON.parse(body));
});

document.addEventListener("submit", event => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  const given = Object.fromEntries(new FormData(form));
  if (form.id === "add-fault") {
    call(form.dataset.call, {fault: [given.target, given.kind, given.settings].filter(Boolean).join(":")});
  } else {
    call(form.dataset.call, {webhookUrl: given.webhookUrl || null}).then(done => { if (done) say("Saved."); });
  }
});

// The clock moves between two renderings, too.
let base = null;
setInterval(() => {
  const clock = document.getElementById("clock");
  const {unix, speed} = clock.dataset;
  if (base === null || base.clock !== clock) base = {clock, at: performance.now()};
  const now = Number(unix) + Number(speed) * (performance.now() - base.at) / 1000;
  clock.textContent = new Date(now * 1000).toISOString().slice(0, 19).replace("T", " ");
}, 200);

new EventSource("/_sandbox/changes").addEventListener("change", refresh);
