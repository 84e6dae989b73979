/**
 * What a page knows of its room: a pure reduction of the server's events. No I/O, no clock.
 * The same reduction serves viewer, console and monitor.
 */
import { fromSnapshot, QUIET, TALK_REDUCERS } from "./room_talk.js";

const KEPT = 300;
const STOPS_THE_SALE = new Set(["monitor_absent", "recording_unavailable"]);

export const OVER = new Set(["ended", "terminated", "cancelled", "replay_review", "replay_published", "archived"]);

export const EMPTY = {
  ready: false,
  you: null,
  limits: { text_chars: 200 },
  points: null,
  broadcast: null,
  state: null,
  publisher: "none",
  streamTime: null,
  card: null,
  saleStopped: null, // the code of what took the last card down, where nobody chose to: "monitor_absent", …
  pinned: null,
  comments: [],
  likes: 0,
  online: 0,
  tipped: 0, // points given since this page came; the snapshot carries no total
  tipsEnabled: false,
  lastOrder: null,
  talkAway: false, // what is said cannot be kept or passed on just now; the picture and the sale are others' business
  pictureWithheld: false,
  publisherLimitBps: null, // set while the publisher sends more than it may
  ...QUIET,
};

const TALK_IS_BACK = new Set(["welcome", "snapshot", "ack", "comment"]);
const REDUCERS = { welcome, snapshot, ack, error, comment, comment_removed, likes, tip, card_shown, card_pulled };
Object.assign(REDUCERS, TALK_REDUCERS, { quota, pinned, presence, state, order, picture, publisher_limit });

/** The state after `event`; unknown events change nothing. `atMs` is the server's time of arrival. */
export function reduce(current, event, atMs) {
  const reducer = REDUCERS[event.type];
  const next = reducer ? reducer(current, event, atMs) : current;
  return next.talkAway && TALK_IS_BACK.has(event.type) ? { ...next, talkAway: false } : next;
}

function error(current, event) {
  return event.code === "unavailable" ? { ...current, talkAway: true } : current;
}

function welcome(current, event, atMs) {
  const { snapshot } = event;
  const own = { you: event.you, limits: event.limits ?? current.limits, points: event.points_balance ?? null };
  // Recovered: what was missed follows as events, so what is shown stays.
  const known = { ...current, ...own, ready: true };
  return snapshot ? restored(known, snapshot, atMs) : known;
}

/** The server lost events that nobody can bring back: what it shows now stands in place of what was shown. */
function snapshot(current, event, atMs) {
  return { ...restored(current, event.snapshot, atMs), queueChanges: current.queueChanges + 1 };
}

function restored(current, snapshot, atMs) {
  return {
    ...current,
    broadcast: snapshot.broadcast,
    state: snapshot.state,
    publisher: snapshot.publisher,
    streamTime: streamTime(snapshot.stream_time_ms, atMs),
    card: snapshot.card ?? null,
    saleStopped: stopOf(snapshot.sale_stopped),
    pinned: snapshot.pinned ?? null,
    comments: merged(current, snapshot.comments ?? []),
    likes: snapshot.likes ?? 0,
    online: snapshot.online ?? 0,
    tipsEnabled: Boolean(snapshot.tips_enabled),
    ...fromSnapshot(snapshot.talk),
  };
}

const stopOf = (reason) => (STOPS_THE_SALE.has(reason) ? reason : null);
const streamTime = (ms, atMs) => (ms === null || ms === undefined ? null : { ms, atMs });

/** Own held comments and tips stay on screen over a reconnection; what the server sends replaces the rest. */
function merged({ comments: had, you }, fresh) {
  const known = new Set(fresh.map((one) => one.comment_id));
  const mine = (one) => one.verdict === "hold" && one.author?.account_id === you?.account_id;
  const own = had.filter((one) => (one.tip || mine(one)) && !known.has(one.comment_id));
  return [...own, ...fresh].sort((a, b) => a.at_ms - b.at_ms).slice(-KEPT);
}

function ack(current, event) {
  const points = event.points_balance ?? current.points;
  if (!event.comment || event.verdict === "block") return { ...current, points };
  return comment({ ...current, points }, { ...event.comment, verdict: event.verdict });
}

function comment(current, event) {
  const { type: _type, ...one } = event;
  if (one.verdict === "hold") return placed({ ...current, queueChanges: current.queueChanges + 1 }, one);
  return placed(current, one);
}

function placed(current, one) {
  const at = current.comments.findIndex((other) => other.comment_id === one.comment_id);
  if (at < 0) return { ...current, comments: [...current.comments, one].slice(-KEPT) };
  // A held comment that is let through later comes again without its verdict.
  const comments = current.comments.map((other, index) => (index === at ? one : other));
  // Let through: the monitor's queue has one less.
  return { ...current, comments, queueChanges: current.queueChanges + 1 };
}

function comment_removed(current, event) {
  const kept = current.comments.filter((one) => one.comment_id !== event.comment_id);
  const pinnedGone = current.pinned?.comment_id === event.comment_id;
  const queueChanges = current.queueChanges + 1;
  return { ...current, comments: kept, queueChanges, pinned: pinnedGone ? null : current.pinned };
}

/** Totals only rise, except when a snapshot says otherwise: an older total may arrive behind one's own like. */
function likes(current, event) {
  return { ...current, likes: Math.max(current.likes, event.total) };
}

function tip(current, event, atMs) {
  const line = { comment_id: `tip-${atMs}-${current.comments.length}`, tip: true, at_ms: atMs };
  const { nickname, points } = event;
  const comments = [...current.comments, { ...line, nickname, points }].slice(-KEPT);
  return { ...current, comments, tipped: current.tipped + points };
}

function card_shown(current, event) {
  return { ...current, card: event.card, saleStopped: null, tipsEnabled: false };
}

function card_pulled(current, event) {
  if (current.card && event.product_id && current.card.product_id !== event.product_id) return current;
  return { ...current, card: null, saleStopped: stopOf(event.reason), tipsEnabled: true };
}

function quota(current, event) {
  if (current.card?.product_id !== event.product_id) return current;
  const { left_minor: quota_left_minor, total_minor: quota_total_minor } = event;
  return { ...current, card: { ...current.card, quota_left_minor, quota_total_minor } };
}

function picture(current, event) {
  return { ...current, pictureWithheld: event.withheld };
}

function publisher_limit(current, event) {
  return { ...current, publisherLimitBps: event.limited ? event.limit_bps : null };
}

function pinned(current, event) {
  return { ...current, pinned: event.comment ?? null };
}

function presence(current, event) {
  return { ...current, online: event.online };
}

function state(current, event, atMs) {
  // Nothing comes back from what is over: other news is older and came late.
  if (OVER.has(current.state) && !OVER.has(event.state)) return current;
  const { publisher = current.publisher, stream_time_ms: ms } = event;
  const next = { ...current, state: event.state, publisher, streamTime: streamTime(ms, atMs) ?? current.streamTime };
  // A show that is over sells nothing, whether or not its card was pulled in time to be told.
  return OVER.has(event.state) ? { ...next, card: null, saleStopped: null, tipsEnabled: false } : next;
}

function order(current, event) {
  return { ...current, lastOrder: event };
}
