// SPDX-License-Identifier: Apache-2.0
// The last deliveries: of one task, of all that one may see, or of push sources.

import { $, ago, ask, duration, leave, link, make, moment, query, Refused, say, small, taskName, taskPath } from "./common.js";

const GOOD = new Set(["woken", "ended", "event", "replayed"]);
const BAD = new Set(["bad_signature", "too_large", "too_slow", "too_many", "refused"]);

const MEANING = {
  accepted: "stored; its task takes it out by itself",
  woken: "stored, and its task goes on",
  ended: "its task has succeeded with it",
  heartbeat: "a sign of life",
  duplicate: "said before, and harmless",
  late: "nobody waited for it any more",
  ignored: "no news",
  bad_signature: "the signature does not fit",
  too_large: "larger than the task takes",
  too_slow: "did not come in time",
  too_many: "asked to come again",
  event: "made an event of each asset",
  no_asset: "no DAG knows an asset of this name",
  test: "a test, which did nothing",
  replayed: "its events were made once more",
};

const secondsOf = (delivery) => Date.parse(delivery.received_at) / 1000;

function bytes(number) {
  if (number == null) return "";
  return number < 10240 ? `${number} B` : `${Math.round(number / 1024)} KiB`;
}

/** A word or two for the list's column. */
export function lastDelivery(job, now) {
  const last = job.last_delivery;
  return last ? `last: ${last.outcome.replace("_", " ")}, ${ago(secondsOf(last), now)}` : "";
}

function whose(delivery) {
  if (delivery.source) return [make("span", delivery.source), ...small((delivery.assets || []).join(", "))];
  const path = taskPath(delivery);
  return [link(taskName(delivery), path, (e) => leave(e, path)), ...small(delivery.run_id)];
}

function cells(delivery, now, named, after) {
  const at = secondsOf(delivery);
  const outcome = delivery.outcome || "";
  const cls = GOOD.has(outcome) ? "good" : BAD.has(outcome) ? "bad" : "";
  const more = [delivery.repeated ? `repeated ${delivery.repeated} times` : "", delivery.by ? `by ${delivery.by}` : ""];
  const button = make("button", "Replay", { type: "button" });
  button.ariaLabel = `Replay delivery ${delivery.number}`;
  button.addEventListener("click", () => replay(delivery, after));
  return [
    ["Came", "narrow", [make("span", ago(at, now), { title: moment(at) })]],
    ...(named ? [["For", "task", whose(delivery)]] : []),
    ["Outcome", "", [make("span", outcome.replace("_", " "), { className: cls }), ...small(MEANING[outcome] || ""),
      ...small(more.filter(Boolean).join(", "))]],
    ["Size", "narrow", [make("span", bytes(delivery.bytes))]],
    ["Sender's id", "job", [make("span", delivery.id || "")]],
    ["", "narrow", delivery.replay ? [button] : []],
  ];
}

/** Fill a table where something has changed; who stands on a button of it stays there. */
export function drawDeliveries(table, found, now, named, after) {
  const wanted = found.map((d) => cells(d, now, named, after));
  const print = JSON.stringify(found.map((d) => [d, duration(now - secondsOf(d))]));
  if (table.dataset.print === print) return;
  table.dataset.print = print;
  const focused = table.contains(document.activeElement) ? document.activeElement.ariaLabel : null;
  const titles = ["Came", ...(named ? ["For"] : []), "Outcome", "Size", "Sender's id", ""];
  table.tHead.rows[0].replaceChildren(...titles.map((t) => make("th", t, { scope: "col" })));
  table.tBodies[0].replaceChildren(...wanted.map((row) => {
    const line = make("tr");
    for (const [name, cls, nodes] of row) {
      const cell = make("td", "", { className: cls });
      if (name) cell.dataset.name = name;
      cell.append(...nodes);
      line.append(cell);
    }
    return line;
  }));
  if (focused) [...table.querySelectorAll("button")].find((b) => b.ariaLabel === focused)?.focus();
}

function replay(delivery, after) {
  const dialog = $("ask");
  $("question").textContent = delivery.source
    ? `Make the events of this delivery of ${delivery.source} once more? Each DAG that is scheduled on them runs again.`
    : `Resume ${taskName(delivery)} with the delivery that lies in its mailbox?`;
  $("yes").textContent = "Replay";
  $("given").hidden = true;
  dialog.returnValue = "";
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    try {
      say((await ask(`deliveries/${delivery.number}/replay`, { method: "POST" })).detail);
      after();
    } catch (error) {
      say(error.message, true);
    }
  };
  dialog.showModal();
}

// -- the view of all ----------------------------------------------------------------------------------------

let timer = 0;

async function load(scope) {
  clearTimeout(timer);
  const source = $("of").value;
  try {
    const answer = await ask(`deliveries?${query({ ...scope, source, limit: 100 })}`);
    if (source !== $("of").value) return;
    drawDeliveries($("came"), answer.deliveries, answer.now, true, () => load(scope));
    $("none").hidden = answer.deliveries.length > 0;
    if ($("status").className === "bad") say("");
  } catch (error) {
    say(error instanceof Refused ? error.message : "Airflow cannot be reached; what is shown is of before.", true);
  }
  timer = setTimeout(() => (document.hidden ? undefined : load(scope)), 10000);
}

/** Show the last deliveries in place of the list. */
export function showDeliveries(scope) {
  $("history").hidden = false;
  $("title").textContent = "Deliveries";
  $("of").addEventListener("change", () => load(scope));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) load(scope); });
  load(scope);
}
