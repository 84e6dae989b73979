/** Line icons as inline SVG; decorative always, so the control around one carries the label. */
import { html } from "./html.js";

const PATHS = {
  sound: html`<path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z" /><path d="M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />`,
  muted: html`<path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z" /><path d="m16 9.5 5 5m0-5-5 5" />`,
  heart: html`<path d="M12 20s-7.5-4.6-7.5-10.2A4.3 4.3 0 0 1 12 7.2a4.3 4.3 0 0 1 7.5 2.6C19.5 15.4 12 20 12 20z" />`,
  points: html`<circle cx="12" cy="12" r="8" /><path d="m12 7.8 1.3 2.7 3 .4-2.2 2.1.5 3-2.6-1.4-2.6 1.4.5-3-2.2-2.1 3-.4z" />`,
  card: html`<rect x="3.5" y="6" width="17" height="12" rx="2" /><path d="M3.5 10h17M7 14.5h4" />`,
  send: html`<path d="M4.5 12 20 5l-5 15-3.2-6.2z" /><path d="M11.8 13.8 20 5" />`,
  question: html`<circle cx="12" cy="12" r="8.5" /><path d="M9.6 9.6a2.5 2.5 0 1 1 3.4 2.4c-.7.3-1 .8-1 1.6" /><path d="M12 16.6v.1" />`,
  close: html`<path d="m6 6 12 12M18 6 6 18" />`,
  back: html`<path d="M14.5 5.5 8 12l6.5 6.5" />`,
  pin: html`<path d="M9 4.5h6l-.8 5 3 3.2H6.8l3-3.2zM12 12.7v7" />`,
  people: html`<circle cx="9" cy="9" r="3.2" /><path d="M3.5 19c.4-3.4 2.6-5 5.5-5s5.1 1.6 5.5 5M15.5 6.2a3 3 0 0 1 0 5.6M17 14.4c2 .6 3.2 2.1 3.5 4.6" />`,
  document: html`<path d="M7 3.5h7l4 4v13H7z" /><path d="M14 3.5v4h4M9.8 12h5.4M9.8 15.5h5.4" />`,
  check: html`<path d="m5 12.5 4.5 4.5L19 7.5" />`,
  warning: html`<path d="M12 4.5 21 19.5H3z" /><path d="M12 10v4.5M12 17v.1" />`,
  flag: html`<path d="M6 20.5V4.5h12l-2.5 4 2.5 4H6" />`,
  shield: html`<path d="M12 3.5 19 6v6c0 4.4-3 7.2-7 8.5-4-1.3-7-4.1-7-8.5V6z" /><path d="m9 12 2.2 2.2L15.2 10" />`,
  pause: html`<path d="M8.5 6v12M15.5 6v12" />`,
  play: html`<path d="M8 5.5v13l10.5-6.5z" />`,
  stop: html`<rect x="6.5" y="6.5" width="11" height="11" rx="1.5" />`,
  receipt: html`<path d="M6 3.5h12v17l-2.4-1.6-2 1.6-1.6-1.6-1.6 1.6-2-1.6L6 20.5z" /><path d="M9 8.5h6M9 12h6" />`,
  globe: html`<circle cx="12" cy="12" r="8.5" /><path d="M3.5 12h17M12 3.5c2.6 2.6 3.6 5.4 3.6 8.5s-1 5.9-3.6 8.5c-2.6-2.6-3.6-5.4-3.6-8.5s1-5.9 3.6-8.5z" />`,
  exit: html`<path d="M10 4.5H5.5v15H10M14 8l4 4-4 4M18 12H9.5" />`,
  list: html`<path d="M8.5 7h11M8.5 12h11M8.5 17h11M4.5 7v.1M4.5 12v.1M4.5 17v.1" />`,
  print: html`<path d="M7 9V4h10v5M7 17H4.5V9h15v8H17" /><path d="M7 14h10v6H7z" />`,
  plus: html`<path d="M12 5v14M5 12h14" />`,
  camera: html`<rect x="3.5" y="7" width="11.5" height="10" rx="2" /><path d="m15 11 5.5-3v8L15 13z" />`,
};

export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${PATHS[name]}</svg>`;
