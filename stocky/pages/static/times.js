// Owns the local form of times: <time datetime> in the reader's zone, [data-relative] as "3 min ago"; UTC stays in the title.
// English as in the texts of the pages: 28 Nov, 14:05.
const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", year: "numeric" });
const moment = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function words(element) {
  const text = element.dateTime;
  const date = new Date(text);
  // A date without a time is the same day everywhere.
  if (Number.isNaN(date.getTime()) || !text.includes("T")) return null;
  const seconds = Math.round((date - Date.now()) / 1000);
  if (element.closest("[data-relative]") && Math.abs(seconds) < 7 * 86400) {
    const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS[3];
    return relative.format(unit === "second" ? 0 : Math.trunc(seconds / length), unit);
  }
  if (element.dataset.format === "day") return day.format(date);
  return (date.getFullYear() === new Date().getFullYear() ? moment : full).format(date);
}

export function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const text = words(element);
    if (text && text !== element.textContent) element.textContent = text;
  }
}

setInterval(() => document.hidden || localize(document), 30000);
