// SPDX-License-Identifier: Apache-2.0
// The page "Remote jobs": a table of waiting jobs, or one job. Every text goes in as text, never as HTML.

import {
  $, ago, ask, duration, follow, framed, leave, link, make, moment, openOutside, query, Refused, say, small, taskName,
  taskPath, until,
} from "./common.js";
import { drawDeliveries, lastDelivery, showDeliveries } from "./deliveries.js";

const NEAR = 3600;

// -- where we are ---------------------------------------------------------------------------------------

/** The query, where "+" is a plus: Airflow 3.1 does not encode run ids. "{MAP_INDEX}" stays where there is none. */
function given() {
  const found = {};
  for (const pair of location.search.slice(1).split("&")) {
    const [name, value = ""] = pair.split(/=(.*)/s);
    let text = value;
    try { text = decodeURIComponent(value); } catch { /* as it is */ }
    if (name && text && !/^\{[A-Z_]+\}$/.test(text)) found[name] = text;
  }
  return found;
}

const here = given();
const scope = {};
for (const name of ["dag_id", "run_id", "task_id", "map_index"]) if (here[name]) scope[name] = here[name];
const ofHistory = here.view === "deliveries";
const single = !ofHistory && Boolean(scope.dag_id && scope.run_id && scope.task_id);

// -- words ------------------------------------------------------------------------------------------------

const percent = (job) => (job.progress == null ? "" : `${Math.round(job.progress * 100)}\u00a0%`);

function lastPoll(job, now) {
  if (job.last_poll_at == null) return [job.reported_at ? "none yet" : "not reported yet", "", ""];
  const row = job.failures_in_row;
  return row
    ? [ago(job.last_poll_at, now), `failed, ${row} in a row: ${job.last_error}`, "bad"]
    : [ago(job.last_poll_at, now), "answered", "good"];
}

function nextPoll(job, now) {
  if (job.next_poll_at == null) return "";
  // Reports come less often than polls: what lies a little in the past has happened since.
  return job.next_poll_at < now ? (now - job.reported_at < 120 ? "due" : `due ${ago(job.next_poll_at, now)}`)
    : until(job.next_poll_at, now);
}

function deadline(job, now) {
  if (job.deadline == null) return ["", ""];
  const left = job.deadline - now;
  if (left < 0) return [`late by ${duration(-left)}`, "late"];
  return [`in ${duration(left)}`, left < NEAR ? "near" : ""];
}

// -- elements -----------------------------------------------------------------------------------------------

function remote(job) {
  const id = job.job_id || "unknown";
  if (!job.remote_link) return [make("span", id)];
  const found = link(id, job.remote_url, (e) => openOutside(e, job.remote_url));
  found.rel = "noopener noreferrer";
  if (!framed) found.target = "_blank";
  return [found];
}

const details = (job) => {
  const query = ["dag_id", "run_id", "task_id", "map_index"]
    .map((n) => `${n}=${encodeURIComponent(job[n])}`).join("&");
  return make("a", "Details", { href: `./?${query}&back=1`, ariaLabel: `Details of ${taskName(job)}` });
};

function whichRun(job) {
  const found = make("small", "", { className: "run", title: job.run_id });
  found.append(details(job), ` ${job.run_id}`);
  return found;
}

// -- the table ----------------------------------------------------------------------------------------------

const COLUMNS = [
  ["task", "Task", (j) => ({
    cls: "task", key: j.run_id,
    nodes: () => [
      link(taskName(j), taskPath(j), (e) => leave(e, taskPath(j))), whichRun(j),
    ],
  })],
  ["system", "System", (j) => ({ cls: "narrow", nodes: () => [make("span", j.system || "not reported yet"), ...small(j.conn_id)] })],
  ["label", "Job", (j) => ({
    cls: "job", key: j.remote_url, nodes: () => [...remote(j), ...small(j.label === j.map_label ? "" : j.label)],
  })],
  ["state", "State", (j) => ({
    nodes: () => {
      const bar = make("div", "", { className: "bar" });
      if (j.progress != null) {
        bar.append(make("progress", "", { value: j.progress, max: 1, ariaLabel: "Progress" }), `\u00a0${percent(j)}`);
      }
      return [make("span", j.remote_status || j.state || "waiting"), ...small(j.state === "running" ? "" : j.state),
        ...(j.progress == null ? [] : [bar])];
    },
  })],
  ["age", "Waiting", (j, now) => ({
    cls: "narrow", title: moment(j.waiting_since), nodes: () => [make("span", duration(now - j.waiting_since))],
  })],
  ["last_poll", "Last poll", (j, now) => {
    const [when, how, cls] = lastPoll(j, now);
    return { cls: "narrow", title: moment(j.last_poll_at), nodes: () => [make("span", when), ...small(how, `wide ${cls}`)] };
  }],
  ["next_poll", "Next poll", (j, now) => ({
    cls: "narrow", title: moment(j.next_poll_at), nodes: () => [make("span", nextPoll(j, now))],
  })],
  ["deadline", "Deadline", (j, now) => {
    const [when, cls] = deadline(j, now);
    return { cls: `narrow ${cls}`, title: moment(j.deadline), nodes: () => [make("span", when)] };
  }],
  ["polls", "Polls", (j) => ({
    cls: "narrow",
    nodes: () => [make("span", String(j.polls ?? "")), ...small(j.failures ? `${j.failures} failed` : "", "bad")],
  })],
  ["", "Callback", (j, now) => ({
    nodes: () => [make("span", j.callback ? "expected" : ""), ...small(lastDelivery(j, now))],
  })],
  ["triggerer", "Triggerer", (j) => ({
    cls: "triggerer",
    nodes: () => [make("span", j.triggerer || (j.triggerer_id ? String(j.triggerer_id) : "none yet"),
      { className: j.triggerer_id ? "" : "warn" })],
  })],
];

const KEPT = `remote-jobs:${location.search}`;
const view = { search: "", system: "", only: "", sort: "deadline", offset: 0, pace: "10" };
try { Object.assign(view, JSON.parse(sessionStorage.getItem(KEPT) || "{}")); } catch { /* as new */ }
const SIZE = 50;
let timer = 0;
let last = 0;

function keep() {
  try { sessionStorage.setItem(KEPT, JSON.stringify(view)); } catch { /* then not */ }
}

function head() {
  for (const [name, title] of COLUMNS) {
    const cell = make("th", "", { scope: "col" });
    if (!name) { cell.append(make("span", title)); } else {
      const button = make("button", title, { type: "button" });
      button.addEventListener("click", () => {
        view.sort = view.sort === name ? `-${name}` : name;
        view.offset = 0;
        load(true);
      });
      cell.dataset.sort = name;
      cell.append(button);
    }
    $("head").append(cell);
  }
}

/** Only what has changed is touched: focus, selection and place stay where they are. */
function fill(cell, wanted) {
  const cls = (wanted.cls || "").trim();
  if (cell.className !== cls) cell.className = cls;
  if (cell.title !== (wanted.title || "")) cell.title = wanted.title || "";
  const nodes = wanted.nodes();
  const print = JSON.stringify([wanted.key, nodes.map((n) => [n.textContent, n.className, n.value])]);
  if (cell.dataset.print === print) return;
  cell.dataset.print = print;
  cell.replaceChildren(...nodes);
  cell.dataset.empty = String(!cell.textContent);
}

/** How many wait, and how many need attention: each number shows those alone. */
function tell(tally) {
  const words = [["", "all", "waiting"], ["late", "late", "past the deadline"], ["near", "near", "due within an hour"],
    ["failing", "failing", "with failing polls"]];
  const print = JSON.stringify([tally, view.only]);
  if ($("tally").dataset.print === print) return;
  $("tally").dataset.print = print;
  const had = document.activeElement?.dataset?.only;
  $("tally").replaceChildren(...words.filter(([only, name]) => !only || tally[name] || view.only === only)
    .map(([only, name, text]) => {
      const button = make("button", `${tally[name]} ${text}`, { type: "button", className: only });
      button.dataset.only = only;
      button.setAttribute("aria-pressed", String(view.only === only));
      button.addEventListener("click", () => {
        Object.assign(view, { only, offset: 0 });
        $("only").value = only;
        load(true);
      });
      return button;
    }));
  if (had != null) $("tally").querySelector(`[data-only="${had}"]`)?.focus();
}

function draw(answer) {
  tell(answer.tally);
  const body = $("rows");
  const known = new Map([...body.children].map((row) => [row.dataset.id, row]));
  let before = null;
  for (const job of answer.jobs) {
    let row = known.get(job.ti_id);
    if (!row) {
      row = make("tr");
      row.dataset.id = job.ti_id;
      for (const [, title] of COLUMNS) {
        const cell = make("td");
        cell.dataset.name = title;
        row.append(cell);
      }
    }
    known.delete(job.ti_id);
    COLUMNS.forEach(([, , wanted], i) => fill(row.children[i], wanted(job, answer.now)));
    const next = before ? before.nextSibling : body.firstChild;
    if (next !== row) body.insertBefore(row, next);
    before = row;
  }
  for (const row of known.values()) row.remove();
  for (const cell of $("head").children) {
    const name = view.sort.replace("-", "");
    if (cell.dataset.sort !== name) cell.removeAttribute("aria-sort");
    else cell.setAttribute("aria-sort", view.sort.startsWith("-") ? "descending" : "ascending");
  }
  const systems = $("system");
  const names = [...new Set([...answer.systems, ...(view.system ? [view.system] : [])])].sort();
  if (JSON.stringify(names) !== systems.dataset.names) {
    systems.dataset.names = JSON.stringify(names);
    systems.replaceChildren(make("option", "all", { value: "" }), ...names.map((n) => make("option", n, { value: n })));
    systems.value = view.system;
  }
  const end = view.offset + answer.jobs.length;
  $("count").textContent = answer.total ? `${view.offset + 1} to ${end} of ${answer.total}` : "No remote job is waiting here.";
  $("before").disabled = view.offset === 0;
  $("after").disabled = end >= answer.total;
  $("note").hidden = answer.reported;
  $("note").textContent = "No triggerer has reported yet, so last and next polls are not known, and search finds tasks only.";
}

// -- loading ------------------------------------------------------------------------------------------------

async function load(byHand = false) {
  clearTimeout(timer);
  const mine = ++last;
  keep();
  try {
    const { pace, ...asked } = view;
    if (single) drawOne(await ask(`job?${query({ ...scope })}`), mine);
    else {
      const answer = await ask(`jobs?${query({ ...scope, ...asked, limit: SIZE })}`);
      if (mine !== last) return;
      if (!answer.jobs.length && view.offset && answer.total) { view.offset = 0; return load(byHand); }
      draw(answer);
    }
    if (byHand && !single) say(`${$("count").textContent}, as of ${new Date().toLocaleTimeString()}`);
    else if ($("status").className === "bad") say("");
  } catch (error) {
    if (mine !== last) return;
    say(error instanceof Refused ? error.message : "Airflow cannot be reached; what is shown is of before.", true);
  }
  const pause = Number(single ? 10 : view.pace);
  if (pause && mine === last) timer = setTimeout(() => (document.hidden ? undefined : load()), pause * 1000);
}

// -- one job ------------------------------------------------------------------------------------------------

function sentence(job) {
  const now = job.now;
  if (!job.waits) return "This task does not wait for a remote job any more.";
  const [when] = deadline(job, now);
  const [polled, how] = lastPoll(job, now);
  const left = when.startsWith("late") ? `It is ${when}` : `Its deadline is ${when}`;
  const next = nextPoll(job, now);
  return `Waiting for ${duration(now - job.waiting_since)} for job ${job.job_id}. ${left}. ` +
    `Last poll: ${polled}${how ? ` (${how})` : ""}.${next ? ` Next poll: ${next}.` : ""}`;
}

function drawOne(job, mine) {
  if (mine !== last) return;
  const now = job.now;
  const facts = [
    ["Task", [link(taskName(job), taskPath(job), (e) => leave(e, taskPath(job))), ...small(`${job.run_id}, try ${job.try_number}`)]],
    ["System", `${job.system || "not reported yet"}${job.conn_id ? ` (connection ${job.conn_id})` : ""}`],
    ["Job", [...remote(job), ...small(job.label)]],
    ["Address", job.remote_url],
    ["State", [job.state, job.remote_status, percent(job)].filter(Boolean).join(", ")],
    ["Started", job.submitted_at ? `${moment(job.submitted_at)} (${ago(job.submitted_at, now)})` : ""],
    ["Waiting since", job.waits ? `${moment(job.waiting_since)} (${ago(job.waiting_since, now)})` : ""],
    ["Deadline", job.deadline ? `${moment(job.deadline)} (${deadline(job, now)[0]})` : ""],
    ["Polls", job.polls == null ? "" : `${job.polls}, ${job.failures} failed`],
    ["Last failure", job.last_error],
    ["Callback", job.callback ? "expected" : "not expected"],
    ["Triggerer", job.waits ? job.triggerer || "none yet" : ""],
  ];
  $("summary").textContent = sentence(job);
  const print = JSON.stringify(facts.map(([n, v]) => [n, typeof v === "string" ? v : v.map((x) => x.textContent)]));
  if ($("facts").dataset.print !== print) {
    $("facts").dataset.print = print;
    $("facts").replaceChildren(...facts.filter(([, v]) => v && v.length).flatMap(([name, value]) => {
      const cell = make("dd");
      cell.append(...(typeof value === "string" ? [value] : value));
      return [make("dt", name), cell];
    }));
  }
  const events = job.timeline.length ? job.timeline : [{ at: job.waiting_since, text: "the task began to wait; nothing was reported yet" }];
  $("timeline").replaceChildren(...events.map((event) => {
    const line = make("li");
    const when = make("time", moment(event.at), { dateTime: new Date(event.at * 1000).toISOString() });
    line.append(when, make("span", ` ${event.text}`, { className: event.kind === "failure" ? "bad" : "" }));
    return line;
  }));
  $("deliveries").hidden = !job.deliveries.length;
  const came = job.deliveries.map((d) => ({ ...d, replay: d.replay && job.waits }));
  drawDeliveries($("task-deliveries"), came, now, false, load);
  actions(job);
}

// -- actions ------------------------------------------------------------------------------------------------

const ACTIONS = {
  poll: ["Poll now", "Resume the task on a worker, which polls the job and waits on if it still runs?"],
  cancel: ["Cancel the remote job", "Cancel this job at the remote system? The task fails and is not retried."],
  complete: ["Complete by hand", "Go on as if the callback had said that the job succeeded? Nothing else tells Airflow that it did."],
};

function actions(job) {
  const offered = job.may_act ? job.actions : [];
  const group = $("actions");
  group.hidden = !offered.length;
  if (group.dataset.offered === offered.join()) return;
  group.dataset.offered = offered.join();
  group.replaceChildren(...offered.map((name) => {
    const button = make("button", ACTIONS[name][0], { type: "button", className: name === "poll" ? "" : "danger" });
    button.addEventListener("click", () => confirmed(name, job));
    return button;
  }));
}

function confirmed(name, job) {
  const dialog = $("ask");
  $("question").textContent = `${ACTIONS[name][1]} (${taskName(job)}, job ${job.job_id})`;
  $("yes").textContent = ACTIONS[name][0];
  $("given").hidden = name !== "complete";
  $("value").value = "";
  dialog.returnValue = "";
  dialog.onclose = () => { if (dialog.returnValue === "yes") act(name, job, $("value").value); };
  dialog.showModal();
}

async function act(name, job, words) {
  const { dag_id, run_id, task_id, map_index, ti_id } = job;
  try {
    const value = name === "complete" && words.trim() ? JSON.parse(words) : null;
    const answer = await ask(`act?${query({ dag_id, run_id, task_id, map_index, ti_id })}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ action: name, value }),
    });
    say(answer.detail);
    load();
  } catch (error) {
    say(error instanceof SyntaxError ? `This is not JSON: ${error.message}` : error.message, true);
  }
}

// -- begin --------------------------------------------------------------------------------------------------

function begin() {
  follow();
  $("list").hidden = single || ofHistory;
  $("one").hidden = !single;
  if (single) $("title").textContent = "Remote job";
  $("back").hidden = !here.back;
  $("to-history").hidden = single || ofHistory;
  $("to-history").firstElementChild.href = `./?${query({ ...scope, view: "deliveries" })}`;
  const words = [["DAG", scope.dag_id], ["run", scope.run_id], ["task", scope.task_id]].filter(([, v]) => v);
  if (words.length && !single) {
    $("scope").hidden = false;
    $("scope").textContent = `of ${words.map(([n, v]) => `${n} ${v}`).join(", ")}`;
  }
  if (ofHistory) {
    $("to-list").href = `./?${query(scope)}`;
    showDeliveries(scope);
    return;
  }
  if (!single) {
    head();
    for (const name of ["search", "only", "pace"]) $(name).value = view[name];
    let typing = 0;
    $("search").addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => { Object.assign(view, { search: $("search").value, offset: 0 }); load(true); }, 300);
    });
    for (const name of ["system", "only"]) {
      $(name).addEventListener("change", () => { Object.assign(view, { [name]: $(name).value, offset: 0 }); load(true); });
    }
    $("pace").addEventListener("change", () => { view.pace = $("pace").value; load(); });
    $("refresh").addEventListener("click", () => load(true));
    $("filters").addEventListener("submit", (e) => { e.preventDefault(); load(true); });
    $("before").addEventListener("click", () => { view.offset = Math.max(0, view.offset - SIZE); load(true); });
    $("after").addEventListener("click", () => { view.offset += SIZE; load(true); });
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
  load();
}

begin();
