/** Which language the page speaks: chosen by hand, else the browser's. Strings live in one file per language. */
import { en } from "./en.js";
import { zh } from "./zh.js";

const KEY = "wealthcast.language";
const STRINGS = { zh, en };
const TAG = { zh: "zh-Hans", en: "en" };
const listeners = new Set();

let current = localStorage.getItem(KEY) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(current in STRINGS)) current = "zh";
document.documentElement.lang = TAG[current];

/** The language's BCP 47 tag, also sent to the room. */
export const language = () => TAG[current];

export function switchLanguage() {
  current = current === "zh" ? "en" : "zh";
  localStorage.setItem(KEY, current);
  document.documentElement.lang = TAG[current];
  listeners.forEach((listener) => listener());
}

export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The string of `key` with `{name}` places filled; a key nobody wrote shows itself, so that it is noticed. */
export function t(key, values = {}) {
  const text = STRINGS[current][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** The first of `keys` that exists, else `fallback`. */
export function tFirst(keys, fallback) {
  const key = keys.find((one) => one in STRINGS[current]);
  return key ? t(key) : fallback;
}

const formatTime = (value, timeStyle) => new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle }).format(new Date(value));

/** When something happened, to the second, in the page's language and this device's time zone. */
export const formatMoment = (value) => formatTime(value, "medium");

/** When something is to begin or end: nobody plans by the second. */
export const formatMinute = (value) => formatTime(value, "short");

export const formatNumber = (value) => new Intl.NumberFormat(language()).format(value);
