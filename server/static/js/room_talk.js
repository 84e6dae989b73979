/**
 * The part of a room's state that monitors and hosts steer: rules, questions, announcements, polls, reports.
 * Pure reducers by event type, used by room_state.js.
 */
export const QUIET = { rules: { muted_all: false, slow_s: 0 }, question: null, answer: null, announcement: null, poll: null, muted: null, queueChanges: 0 };

/** What a snapshot says of talk; an older server says nothing. A poll that is over is history to who comes now. */
export function fromSnapshot(talk) {
  if (!talk) return {};
  const { rules, question, announcement } = talk;
  return { rules, question, announcement, poll: talk.poll?.open ? talk.poll : null };
}

export const TALK_REDUCERS = { rules, question, answer, announcement, poll, poll_tally, restricted, reported };

function rules(current, { muted_all, slow_s }) {
  return { ...current, rules: { muted_all, slow_s } };
}

function question(current, event) {
  if (event.state === "picked") return { ...current, question: event.comment, answer: null };
  const settled = current.question?.comment_id === event.comment.comment_id;
  return settled ? { ...current, question: null } : current;
}

function answer(current, event) {
  return { ...current, answer: event };
}

function announcement(current, event) {
  return { ...current, announcement: event };
}

function poll(current, event) {
  return { ...current, poll: event.poll };
}

function poll_tally(current, event) {
  if (current.poll?.poll_id !== event.poll_id) return current;
  return { ...current, poll: { ...current.poll, votes: event.votes } };
}

function restricted(current, event) {
  return { ...current, muted: event.kind === "muted" ? { reason: event.reason, untilMs: event.until_ms } : null };
}

/** Staff's queue is read from the server again whenever this number has changed. */
function reported(current) {
  return { ...current, queueChanges: current.queueChanges + 1 };
}
