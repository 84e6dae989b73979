/**
 * Money as integer minor units: exact parsing and formatting, no floats, no I/O.
 * `parseAmount` gives null for what is not an exact amount of the currency; callers show that as bad input.
 */
const EXPONENT = { CNY: 2, HKD: 2, USD: 2, EUR: 2, GBP: 2, JPY: 0 };
const SYMBOL = { CNY: "¥", HKD: "HK$", USD: "US$", EUR: "€", GBP: "£", JPY: "JP¥" };

const exponentOf = (currency) => EXPONENT[currency] ?? 2;
const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");

/** The integer minor units that `text` names ("10,000.5" CNY → 1000050), or null. */
export function parseAmount(text, currency) {
  const exponent = exponentOf(currency);
  const match = /^(\d{1,16})(?:\.(\d+))?$/.exec(text.normalize("NFKC").replace(/[,\s]/g, ""));
  if (!match) return null;
  const fraction = match[2] ?? "";
  if (fraction.length > exponent) return null;
  const minor = BigInt(match[1] + fraction.padEnd(exponent, "0"));
  return minor <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(minor) : null;
}

/** Minor units as plain major digits for an input box: 1000050 CNY → "10000.50", whole amounts without ".00". */
export function toInput(minor, currency) {
  const [whole, fraction] = split(minor, currency);
  return /[1-9]/.test(fraction) ? `${whole}.${fraction}` : whole;
}

/** Minor units for people: 1000050 CNY → "¥10,000.50"; `short` leaves out an all-zero fraction. */
export function formatMoney(minor, currency, { short = false } = {}) {
  const [whole, fraction] = split(minor, currency);
  const tail = fraction && !(short && /^0+$/.test(fraction)) ? `.${fraction}` : "";
  return `${minor < 0 ? "-" : ""}${SYMBOL[currency] ?? `${currency} `}${group(whole)}${tail}`;
}

function split(minor, currency) {
  const exponent = exponentOf(currency);
  const digits = String(Math.abs(minor)).padStart(exponent + 1, "0");
  const cut = digits.length - exponent;
  return [digits.slice(0, cut), digits.slice(cut)];
}
