// The review deck in the browser: it shows one case, answers keys at once and keeps a log for the server.
// Every text is set as text, never as markup, because reviewed texts are hostile.

const KEYS = { a: "release", x: "reject", b: "blacklist", c: "all_ports", s: "skip", u: "undo", n: "note", z: "snooze" };
const VERDICTS = ["release", "reject", "blacklist"];
const SEND_EVERY = 100; // ms between two logs
const HERE_EVERY = 45_000; // ms between two `here` entries, which show that the reviewer is active
const KEPT = "antispam.deck"; // under this name the tab keeps what the server has not acknowledged
const KEPT_FOR = 600_000; // ms, as long as a lease
const SLOW = 1_000; // ms without an acknowledgement after which closing the tab asks first

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function pieces(className, segments) {
  const box = element("div", className);
  for (const [text, mark] of segments) {
    box.append(mark ? element(mark === "unseen" ? "span" : "mark", mark, text) : document.createTextNode(text));
  }
  return box;
}

function counted(number, one, many) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 600) return `${Math.round(minutes / 60)} h`;
  return `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}

function fresh(session) {
  return { session, queue: [], gone: new Set(), coming: new Map(), seq: 0, log: [], undo: [], note: "", here: 0,
           told: null, noting: false, failed: 0, timer: null, sent: 0, all: false, beside: new Map(), refusal: null, choosing: false,
           since: 0 };
}

export default function (component) {
  const { parentElement: root, data, setStateValue } = component;
  const host = root.querySelector(".deck");
  if (!host) return;
  const deck = (root.deck && root.deck.session === data.session) ? root.deck : (root.deck = resumed(fresh(data.session)));
  const words = data.labels;
  const skew = data.now - Date.now();
  const now = () => Date.now() + skew;

  root.leave?.(); // the listeners of the previous call hold its data
  merge();
  keep();
  if (unsent() && deck.seq > deck.sent) send();
  const looks = JSON.stringify([data.language, data.waiting - decided(), data.decided + decided(), idle(), deck.queue.length,
                                deck.queue.slice(1, 6).map((card) => card.id), { ...deck.queue[0], lease: 0 }, data.ports[deck.queue[0]?.port], data.conditions[deck.queue[0]?.rule]]);
  // A redraw would remove a selection or the composed text of an input method.
  if (!host.hasChildNodes() || (looks !== deck.looks && !(deck.noting && deck.drawn === deck.queue[0]?.id))) draw();
  deck.looks = looks;

  // What a page that was reloaded had not brought to the server goes on here. The server refuses what it did already.
  function resumed(deck) {
    const kept = stored(() => JSON.parse(sessionStorage.getItem(KEPT) ?? "null"));
    deck.seq = deck.sent = data.acked;
    if (kept?.user !== data.user || Date.now() - kept.at > KEPT_FOR) return deck;
    const same = kept.session === data.session; // then the server may be at work on these numbers
    for (const entry of kept.log) {
      if (same && entry.seq <= data.acked) continue;
      deck.seq = same ? entry.seq : deck.seq + 1;
      deck.log.push({ ...entry, seq: deck.seq });
      if (entry.action === "undo") deck.gone.delete(entry.case);
      else deck.gone.add(entry.case);
    }
    return deck;
  }

  function unsent() {
    return deck.log.some((entry) => entry.action !== "here");
  }

  function keep() {
    const kept = { user: data.user, session: data.session, at: Date.now(), log: deck.log };
    if (deck.log.length) stored(() => sessionStorage.setItem(KEPT, JSON.stringify(kept)));
    else stored(() => sessionStorage.removeItem(KEPT));
  }

  // The tab's storage may be blocked or full. Then nothing is kept, and the deck works on.
  function stored(use) {
    try {
      return use();
    } catch {
      return null;
    }
  }

  function merge() {
    deck.log = deck.log.filter((entry) => entry.seq > data.acked);
    for (const [id, seq] of deck.coming) if (seq <= data.acked) deck.coming.delete(id);
    for (const [id, seq] of deck.beside) if (seq <= data.acked && deck.beside.delete(id)) deck.gone.delete(id);
    deck.undo.forEach(acknowledged);
    const pending = new Set(deck.log.map((entry) => entry.case));
    for (const failure of data.failed) {
      if (failure.seq <= deck.failed) continue;
      deck.failed = failure.seq;
      say(`${words.failed}: ${failure.text}`, true);
      if (failure.action === "undo") deck.queue = deck.queue.filter((card) => card.id !== failure.case);
      else deck.gone.delete(failure.case); // if the case is still claimed, the server lists it again
      deck.undo = deck.undo.filter((entry) => entry.card.id !== failure.case);
    }
    const given = new Map(data.cases.map((card) => [card.id, card]));
    const first = deck.queue[0]?.id;
    deck.queue = deck.queue.filter((card) => given.has(card.id) || deck.coming.has(card.id))
                           .map((card) => given.get(card.id) ?? card);
    if (first && deck.queue[0]?.id !== first && !deck.gone.has(first)) {
      deck.note = "";
      deck.refusal = null;
      deck.noting = deck.all = deck.choosing = false;
      say(words.taken, true);
    }
    for (const id of deck.gone) if (!given.has(id) && !pending.has(id)) deck.gone.delete(id);
    const held = new Set(deck.queue.map((card) => card.id));
    for (const card of data.cases) if (!held.has(card.id) && !deck.gone.has(card.id)) deck.queue.push(card);
  }

  // A verdict can be taken back until the server has acknowledged it, and ten seconds from then.
  function acknowledged(entry) {
    if (entry.until === Infinity && entry.seq <= data.acked) {
      entry.until = data.undo_until[entry.card.id] ?? data.now + data.undo_ms;
    }
  }

  // Why it is refused: what the reviewer chose, else what the category suggests.
  function refusalOf(card) {
    return deck.refusal ?? card?.refusal ?? "";
  }

  function send() {
    deck.timer ??= setTimeout(() => {
      deck.timer = null;
      deck.sent = deck.seq;
      setStateValue("log", deck.log.slice());
    }, SEND_EVERY);
  }

  function write(action, card, cases = 0, all = VERDICTS.includes(action) && deck.all) {
    deck.seq = Math.max(deck.seq, data.acked) + 1;
    deck.log.push({ seq: deck.seq, action, case: card ? card.id : "", seen: card ? card.seen : 0, cases,
                    note: VERDICTS.includes(action) ? deck.note : "", all_ports: all,
                    refusal: ["reject", "blacklist"].includes(action) ? refusalOf(card) : "",
                    took: VERDICTS.includes(action) ? Date.now() - deck.since : 0 });
    deck.here = Date.now();
    send();
    keep();
    return deck.seq;
  }

  function act(action) {
    const card = deck.queue[0];
    if (action === "undo") {
      const last = deck.undo.pop();
      if (!last || now() > last.until) return say(words.undo_none);
      deck.gone.delete(last.card.id);
      deck.queue = deck.queue.filter((other) => other.id !== last.card.id);
      deck.queue.unshift(last.card);
      deck.coming.set(last.card.id, write("undo", last.card, -last.cases, last.all));
      say(words.undone);
    } else if (!card) {
      write("here");
    } else if (action === "snooze") {
      if (!data.may_snooze) return;
      const asked = { section: "snoozes", rule: card.rule, kind: "port", value: card.port, case: card.id };
      window.open(`rules?${new URLSearchParams(asked)}`, "_blank", "noopener"); // the cases stay in hand
    } else if (action === "note") {
      deck.noting = true;
    } else if (action === "all_ports") {
      deck.all = Boolean(card.covered) && !deck.all;
    } else {
      const cases = action === "skip" ? 0 : deck.all ? card.covered.cases : 1;
      const seq = write(action, card, cases);
      deck.queue.shift();
      if (deck.all && action !== "skip") leaveOut(card.campaign_id, seq);
      deck.gone.add(card.id);
      deck.coming.delete(card.id);
      if (action !== "skip") deck.undo.push({ card, action, cases, seq, all: deck.all, until: Infinity });
      const whose = deck.all ? `${card.covered.cases.toLocaleString()} ${words.ports}` : card.port;
      const told = `${words[action]} · ${whose} · ${counted(decides(card), words.message, words.messages)}`;
      deck.note = "";
      deck.refusal = null;
      deck.all = deck.choosing = false;
      const unsent = action === "release" && card.stopped;
      say(unsent ? `${told} · ${card.stopped}` : told, Boolean(unsent));
    }
    draw();
    if (!deck.noting && !host.contains(host.getRootNode().activeElement)) focus("keys");
  }

  // Cards of the same campaign are not shown until the server has told which of their cases it decided.
  function leaveOut(campaign, seq) {
    for (const { id } of deck.queue.filter((card) => card.campaign_id === campaign)) {
      deck.gone.add(id);
      deck.beside.set(id, seq);
    }
    deck.queue = deck.queue.filter((card) => card.campaign_id !== campaign);
  }

  function decides(card) {
    return deck.all && card.covered ? card.covered.messages : card.messages;
  }

  function say(text, bad = false) {
    deck.told = { text, bad, until: Date.now() + (bad ? 8000 : data.undo_ms) };
    deck.spoken = text;
    tick();
  }

  // A screen reader reads what was done and the case that follows; it does not read the clocks.
  function speak(card) {
    const text = card && card.text.map(([piece]) => piece).join("");
    const next = card ? `${counted(card.messages, words.message, words.messages)}. ${words.port} ${card.port}. ${text}`
                      : idle()[0];
    root.querySelector(".spoken").textContent = [deck.spoken, next].filter(Boolean).join(". ");
    deck.spoken = "";
  }

  function onKey(event) {
    if (!host.isConnected) return; // the page shows something else now, and its listener goes a moment later
    const target = event.composedPath()[0];
    if (["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName) || target.isContentEditable) return;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase()
              : event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : ""; // an input method may hide the key
    const refusal = deck.queue[0] && data.refusals[Number(key) - 1];
    if (refusal) {
      event.preventDefault();
      choose(refusal[0]);
    } else if (key in KEYS) {
      event.preventDefault();
      act(KEYS[key]);
    } else {
      alive();
    }
  }

  function choose(code) {
    deck.refusal = refusalOf(deck.queue[0]) === code ? "" : code; // the same again: none
    deck.choosing = false;
    draw();
  }

  function alive() {
    const quiet = Date.now() - deck.here;
    if (quiet > (data.away ? 2000 : HERE_EVERY)) write("here");
  }

  function draw() {
    const focused = host.getRootNode().activeElement;
    const kept = host.contains(focused) ? focused.dataset.focus : "";
    host.replaceChildren();
    const card = deck.queue[0];
    if (deck.spoken || deck.drawn !== card?.id) speak(card);
    if (deck.drawn !== card?.id) deck.since = Date.now();
    deck.drawn = card?.id;
    host.append(bar(), card ? body(card) : empty(), keys(card));
    const input = host.querySelector("input");
    if (input) input.focus();
    else if (kept) focus(kept);
    tick();
  }

  // Where the Tab key goes on after the page was drawn again: the same button, else the keys. The links beside the case
  // stand before them, so that Tab goes to a verdict, and Shift+Tab to a link.
  function focus(name) {
    const found = host.querySelector(`[data-focus="${name}"]:not(:disabled)`) ?? host.querySelector("[data-focus=keys]");
    found.focus({ preventScroll: true });
  }

  function bar() {
    const box = element("div", "bar");
    const figures = element("div", "figures");
    const ahead = decided();
    figures.append(element("h1", "", words.title), figure(deck.queue.length, words.in_hand),
                   figure(Math.max(0, data.waiting - ahead), words.waiting), figure(Math.max(0, data.decided + ahead), words.decided));
    box.append(figures, element("div", "told"));
    return box;
  }

  function figure(value, label) {
    const box = element("span", "figure");
    box.append(element("b", "", value.toLocaleString()), document.createTextNode(` ${label}`));
    return box;
  }

  // Cases decided, less those taken back, that the server has not counted yet.
  function decided() {
    return deck.log.reduce((sum, entry) => sum + entry.cases, 0);
  }

  // Why no case is shown, and a hint. Until the server has answered the last key, cases may still come.
  function idle() {
    return unsent() ? [words.fetching, ""] : data.idle;
  }

  function empty() {
    const [text, hint] = idle();
    const box = element("div", "empty");
    box.append(element("p", "large", text), element("p", "", hint));
    return box;
  }

  // A place that takes the focus again after a redraw.
  function focusable(box, name) {
    box.dataset.focus = name;
    if (box.tagName !== "BUTTON") box.tabIndex = -1;
    return box;
  }

  function body(card) {
    const box = element("section", "body");
    box.dataset.case = card.id;
    const left = element("div", "left");
    const head = element("div", "head");
    head.append(element("span", "count", counted(card.messages, words.message, words.messages)),
                element("span", "", counted(card.submissions, words.submission, words.submissions)));
    if (card.recipients !== null) head.append(element("span", "", counted(card.recipients, words.recipient, words.recipients)));
    if (card.variants > 1) head.append(element("span", "", counted(card.variants, words.variant, words.variants)));
    if (card.growth) head.append(element("span", "", `+${card.growth.toLocaleString()} ${words.growth}`));
    head.append(element("span", "", `${words.port} ${card.port}`));
    if (card.category) head.append(element("span", "chip", card.category));
    left.append(head);
    if (card.stopped) left.append(element("p", "stopped", card.stopped));
    if (card.second) left.append(element("p", "second", words.second));
    left.append(pieces("message", card.text));
    if (card.covered) left.append(covered(card.covered));
    if (card.slots.length) left.append(element("h2", "", words.slots), slots(card));
    if (card.samples.length) {
      left.append(element("h2", "", words.samples));
      for (const sample of card.samples) left.append(pieces("sample", sample));
    }
    const right = element("div", "right");
    const clocks = element("div", "clocks");
    clocks.append(clock("due", words.due), clock("lease", words.lease));
    right.append(clocks);
    const port = data.ports[card.port];
    if (port) right.append(element("p", "hours", `${port.hours}; ${words.until} ${time(card.due, port.zone)}`));
    right.append(facts(card), element("h2", "", words.why), why(card));
    if (port) right.append(...ofPort(card, port));
    right.append(...links(card, port));
    const condition = data.conditions[card.rule];
    if (condition) right.append(element("h2", "", `${words.condition}: ${card.rule}`), element("code", "condition", condition));
    if (card.score_parts.length) {
      const list = element("div", "parts");
      for (const part of card.score_parts) list.append(element("span", "part", part));
      right.append(element("h2", "", words.score_parts), list);
    }
    if (deck.queue.length > 1) {
      right.append(element("h2", "", words.next));
      const list = element("ol", "next");
      for (const other of deck.queue.slice(1, 6)) {
        const item = element("li");
        item.append(element("span", "port", other.port),
                    element("span", "", other.text.map(([text, mark]) => mark === "unseen" ? "" : text).join("").slice(0, 40)));
        list.append(item);
      }
      right.append(list);
    }
    box.append(left, right);
    return box;
  }

  function time(at, zone) {
    return new Date(at).toLocaleString(data.language, { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  }

  // Who sends, and what the port did before.
  function ofPort(card, port) {
    const box = element("dl");
    for (const [label, value] of [
      [words.name, [port.name, port.state].filter(Boolean).join(" · ")],
      [words.enterprise, port.owner || words.none],
      [words.tier, port.tier],
      [words.signatures, port.signatures.join(" ") || words.none],
    ]) box.append(element("dt", "", label), element("dd", "", value));
    return [element("h2", "", `${words.port} ${card.port}`), box,
            element("h2", "", words.port_verdicts),
            lines(port.verdicts.map(([at, verdict, kind, rule]) => [time(at, data.zone), verdict, kind, rule])),
            element("h2", "", `${words.port_complaints}: ${port.complained.toLocaleString()} ${words.complained}`),
            lines(port.complaints.map(([at, source]) => [time(at, data.zone), source, "", ""]))];
  }

  function lines(rows) {
    if (!rows.length) return element("p", "faint", words.none);
    const list = element("ul", "past");
    for (const [at, text, kind, rule] of rows) {
      const item = element("li");
      item.append(element("span", "", at), element("span", `verdict ${kind}`, text), element("span", "", rule));
      list.append(item);
    }
    return list;
  }

  // Links open another tab: the cases stay in hand.
  function links(card, port) {
    const open = [], make = [];
    if (port) open.push([words.port, "ports", { port: card.port, search: card.port }]);
    if (data.may_search && port?.owner_code) open.push([words.enterprise, "explore", { enterprise: port.owner_code, by: "port" }]);
    if (data.may_search && card.campaign_id) open.push([words.campaign, "explore", { campaign: card.campaign_id, by: "content" }]);
    if (data.may_search) {
      open.push([words.to_search, "search", { port: card.port }], [words.to_complaints, "complaints", { port: card.port }]);
    }
    if (data.may_list) make.push([words.to_list, "lists", { value: card.port, case: card.id }]);
    if (data.may_add_words) {
      make.push([words.to_word, "policy", { kind: "dictionary", case: card.id, category: card.category_code }]);
    }
    return [[words.links, open], [words.from_case, make]].filter(([, found]) => found.length).flatMap(([title, found]) => {
      const box = element("p", "links");
      for (const [text, page, asked] of found) {
        const link = element("a", "", text);
        link.href = `${page}?${new URLSearchParams(asked)}`;
        link.target = "_blank";
        link.rel = "noopener";
        if (page === "policy") {
          link.title = words.to_word_does;
          link.onclick = () => { link.href = `${page}?${new URLSearchParams({ ...asked, word: selected() })}`; };
        }
        box.append(focusable(link, `${page} ${text}`));
        link.removeAttribute("tabindex");
      }
      return [element("h2", "", title), box];
    });
  }

  // What the reviewer has selected, as a word for the dictionary.
  function selected() {
    const root = host.getRootNode();
    return String((root.getSelection ? root : document).getSelection() ?? "").trim().slice(0, 64);
  }

  function covered(all) {
    const box = element("p", "covered");
    box.append(element("b", "", `${words.campaign}: ${all.cases.toLocaleString()} ${words.ports}, `
                                + counted(all.messages, words.message, words.messages)));
    for (const [port, messages] of all.ports) box.append(element("span", "", `${port} · ${messages.toLocaleString()}`));
    if (all.cases > all.ports.length) box.append(element("span", "", "…"));
    return box;
  }

  function slots(card) {
    const table = element("table", "slots");
    const head = element("tr");
    for (const slot of card.slots) head.append(element("th", "", slot.kind));
    table.append(head);
    for (let row = 0; row < card.slots[0].values.length; row++) {
      const line = element("tr");
      for (const slot of card.slots) {
        const cell = element("td");
        cell.append(pieces("", slot.values[row]));
        line.append(cell);
      }
      table.append(line);
    }
    return table;
  }

  function clock(name, label) {
    const box = element("div", `clock ${name}`);
    box.append(element("span", "", label), element("b"));
    return box;
  }

  function facts(card) {
    const box = element("dl");
    const opened = new Date(card.opened);
    for (const [label, value] of [
      [words.rule, card.rule],
      [words.score, card.score ?? "–"],
      ...(card.campaign ? [[words.campaign, card.campaign]] : []),
      [words.opened, opened.toLocaleString(data.language, { timeZone: data.zone, dateStyle: "short", timeStyle: "medium" })],
    ]) box.append(element("dt", "", label), element("dd", "", value));
    return box;
  }

  function why(card) {
    if (!card.reasons.length) return element("p", "faint", words.no_reasons);
    const list = element("ul", "why");
    for (const reason of card.reasons) {
      const item = element("li");
      const head = element("div");
      head.append(element(reason.mark ? "mark" : "span", `rule ${reason.mark}`, reason.rule),
                  element("span", `verdict ${reason.kind}`, reason.verdict));
      item.append(head, element("div", "text", reason.text));
      if (reason.words.length) item.append(element("div", "found", reason.words.join(" · ")));
      list.append(item);
    }
    return list;
  }

  function keys(card) {
    const box = focusable(element("div", "keys"), "keys");
    if (deck.noting || deck.note) box.append(note());
    for (const [key, action] of Object.entries(KEYS)) {
      if (action === "snooze" && !data.may_snooze || action === "all_ports" && !card?.covered) continue;
      const button = focusable(element("button", action), action);
      if (action === "all_ports") button.setAttribute("aria-pressed", String(deck.all));
      button.type = "button";
      button.setAttribute("aria-keyshortcuts", key.toUpperCase());
      button.disabled = !card && action !== "undo";
      if (words[`${action}_does`]) button.title = words[`${action}_does`];
      button.append(element("kbd", "", key.toUpperCase()), element("span", "", words[action]));
      if (card && VERDICTS.includes(action)) button.append(element("b", "", decides(card).toLocaleString()));
      button.onclick = () => act(action);
      box.append(button);
    }
    if (card) box.append(reasons(card));
    return box;
  }

  function reasons(card) {
    const box = element("div", deck.choosing ? "reasons open" : "reasons");
    const more = focusable(element("button", "more", words.choose), "more"); // shown in a narrow window only
    more.type = "button";
    more.setAttribute("aria-expanded", String(deck.choosing));
    more.onclick = () => { deck.choosing = !deck.choosing; draw(); };
    box.append(element("span", "", words.refusal), more);
    data.refusals.forEach(([code, text], n) => {
      const button = focusable(element("button", "reason"), `reason ${code}`);
      button.type = "button";
      button.setAttribute("aria-pressed", String(refusalOf(card) === code));
      button.setAttribute("aria-keyshortcuts", String(n + 1));
      button.append(element("kbd", "", String(n + 1)), element("span", "", text));
      button.onclick = () => choose(code);
      box.append(button);
    });
    return box;
  }

  function note() {
    if (!deck.noting) return element("div", "kept", `${words.note}: ${deck.note}`);
    const input = element("input");
    input.placeholder = words.note_hint;
    input.setAttribute("aria-label", words.note);
    input.maxLength = 1000;
    input.value = deck.note;
    input.oninput = () => { deck.note = input.value; };
    input.onkeydown = (event) => {
      event.stopPropagation();
      if (event.isComposing) return; // Enter and Esc belong to the input method
      if (event.key === "Escape") deck.note = "";
      if (event.key === "Enter" || event.key === "Escape") { deck.noting = false; draw(); }
    };
    return input;
  }

  function tick() {
    const card = deck.queue[0];
    for (const [name, warn] of [["due", 600_000], ["lease", 60_000]]) {
      const box = host.querySelector(`.clock.${name}`);
      if (!card || !box || !card[name]) continue;
      const left = card[name] - now();
      box.querySelector("b").textContent = left < 0 && name === "due" ? `${words.overdue} ${duration(-left)}` : duration(left);
      box.classList.toggle("late", left < warn);
    }
    const told = host.querySelector(".told");
    if (!told) return;
    const shown = deck.told && deck.told.until > Date.now();
    const last = deck.undo.at(-1);
    const left = last ? Math.ceil((last.until - now()) / 1000) : 0; // Infinity: not acknowledged yet
    const parts = [];
    if (shown) parts.push(deck.told.text);
    if (left > 0) parts.push(left === Infinity ? `U ${words.undo}` : `U ${words.undo} ${left} s`);
    if (unsent() && Date.now() - deck.here > 3000) parts.push(words.unsent);
    told.textContent = parts.join("   ");
    told.classList.toggle("bad", Boolean(shown && deck.told.bad));
  }

  const moved = () => alive();
  const closing = (event) => {
    if (unsent() && Date.now() - deck.here > SLOW) event.preventDefault();
  };
  window.addEventListener("beforeunload", closing);
  document.addEventListener("keydown", onKey);
  document.addEventListener("mousemove", moved, { passive: true });
  const timer = setInterval(tick, 250);
  root.leave = () => {
    window.removeEventListener("beforeunload", closing);
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("mousemove", moved);
    clearInterval(timer);
  };
  return root.leave;
}
