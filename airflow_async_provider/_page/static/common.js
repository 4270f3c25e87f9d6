// SPDX-License-Identifier: Apache-2.0
// What the parts of the page share. Every text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);
export const framed = window.parent !== window;
export const root = location.pathname.replace(/remote-jobs\/?$/, "");

export function taskPath(job) {
  const part = encodeURIComponent;
  const mapped = job.map_index >= 0 ? `/mapped/${job.map_index}` : "";
  return `${root}dags/${part(job.dag_id)}/runs/${part(job.run_id)}/tasks/${part(job.task_id)}${mapped}`;
}

/** Go somewhere in Airflow's own page around this one, whose links the frame's sandbox does not let through. */
export function leave(event, path) {
  if (!framed || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  parent.history.pushState({}, "", path);
  parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

/** Open another site in a tab of its own: a link of Airflow's page may do what one in here may not. */
export function openOutside(event, address) {
  if (!framed) return;
  event.preventDefault();
  const link = parent.document.createElement("a");
  Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer" });
  link.click();
}

// -- light and dark, as Airflow's switch says ---------------------------------------------------------------

export function follow() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const outer = framed ? parent.document.documentElement : null;
  const set = () => {
    const names = outer ? outer.className.split(/\s+/) : [];
    const isDark = names.includes("dark") || (!names.includes("light") && dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  set();
  dark.addEventListener("change", set);
  if (outer) new MutationObserver(set).observe(outer, { attributes: true, attributeFilter: ["class"] });
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const ago = (at, now) => (at == null ? "" : now - at < 1 ? "just now" : `${duration(now - at)} ago`);
export const until = (at, now) => (at == null ? "" : at >= now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`);
export const moment = (at) => (at == null ? "" : new Date(at * 1000).toLocaleString());

export function make(tag, content = "", options = {}) {
  const found = Object.assign(document.createElement(tag), options);
  if (content) found.textContent = content;
  return found;
}

export function link(text, href, onclick) {
  const found = make("a", text, { href });
  found.addEventListener("click", onclick);
  return found;
}

export const small = (text, name = "") => (text ? [make("small", text, { className: name })] : []);

export function taskName(job) {
  const index = job.map_index >= 0 ? ` [${job.map_label || job.map_index}]` : "";
  return `${job.dag_id}.${job.task_id}${index}`;
}

export class Refused extends Error {}

export async function ask(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const said = typeof body.detail === "string" ? body.detail : `Airflow answered HTTP ${answer.status}.`;
  throw new Refused(answer.status === 401 ? "You are not signed in to Airflow any more: load the page again." : said);
}

export function say(text, bad = false) {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

export const query = (values) => Object.entries(values).filter(([, v]) => v !== "" && v != null)
  .map(([n, v]) => `${n}=${encodeURIComponent(v)}`).join("&");
