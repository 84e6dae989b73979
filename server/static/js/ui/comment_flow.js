/**
 * Comments as they come, newest last; follows the newest unless the reader has scrolled back. To the keyboard the
 * list is one stop and its line of the moment another: the arrow keys go from line to line. To a screen reader it is
 * quiet, for many may write at once: now and then it hears how many are new, and the last of them.
 */
import { t } from "../i18n/index.js";
import { html, useEffect, useRef, useState } from "./html.js";

const NEAR_END_PX = 40;
const SAID_EVERY_MS = 15_000;
const STEP = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

/**
 * @param {{comments:object[], you:object|null, label?:string,
 *   actions?:(comment:object, tabIndex:number)=>preact.VNode}} props `tabIndex` is for each control of a line
 */
export function CommentFlow({ comments, you, actions, label }) {
  const list = useRef(null);
  const [following, setFollowing] = useState(true);
  const [chosen, setChosen] = useState(null);
  const lastTop = useRef(0);
  const newest = comments.length ? comments[comments.length - 1].comment_id : null;
  const current = comments.some((one) => one.comment_id === chosen) ? chosen : newest;
  const toEnd = () => (list.current.scrollTop = list.current.scrollHeight);
  useEffect(() => {
    if (following) toEnd();
  }, [newest, comments.length, following]);
  useEffect(() => {
    // The card and the pinned line take and give height; the newest comment stays in view through that.
    const observer = new ResizeObserver(() => list.current && following && toEnd());
    observer.observe(list.current);
    return () => observer.disconnect();
  }, [following]);
  const scrolled = ({ target }) => {
    const atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR_END_PX;
    // Only a reader scrolls back; a list that grew under an unmoved position has not been left.
    if (atEnd || target.scrollTop < lastTop.current) setFollowing(atEnd);
    lastTop.current = target.scrollTop;
  };
  const walk = (event) => {
    if (!(event.key in STEP) || comments.length === 0) return;
    event.preventDefault();
    const onList = event.target === list.current;
    const from = comments.findIndex((one) => one.comment_id === current);
    const to = Math.min(comments.length - 1, Math.max(0, onList && event.key === "ArrowUp" ? from : from + STEP[event.key]));
    setChosen(comments[to].comment_id);
    list.current.children[to].focus();
  };
  return html`<div class="flow">
    <ol class="flow__list" ref=${list} onScroll=${scrolled} onKeyDown=${walk} role="list" aria-label=${label ?? t("comments.label")} aria-description=${t("comments.keys")} tabindex="0" data-testid="comments">
      ${comments.map((one) => html`<${Line} key=${one.comment_id} one=${one} you=${you} actions=${actions} tabIndex=${one.comment_id === current ? 0 : -1} choose=${setChosen} />`)}
    </ol>
    <${Said} comments=${comments} you=${you} />
    ${!following &&
    html`<button type="button" class="flow__newest" onClick=${() => setFollowing(true)}>${t("comments.newest")}</button>`}
  </div>`;
}

/** What a screen reader hears of the comments: at most one sentence in SAID_EVERY_MS. */
function Said({ comments, you }) {
  const [words, setWords] = useState("");
  const latest = useRef({});
  latest.current = { comments, you };
  useEffect(() => {
    const heard = () => latest.current.comments.filter((one) => one.author && one.author.account_id !== latest.current.you?.account_id);
    let last = heard().at(-1)?.comment_id;
    const say = () => {
      const others = heard();
      const fresh = others.slice(others.findIndex((one) => one.comment_id === last) + 1);
      if (fresh.length === 0) return;
      const { comment_id, author, text } = fresh.at(-1);
      last = comment_id;
      setWords(t("comments.said", { count: fresh.length, nickname: author.nickname, text }));
    };
    const timer = setInterval(say, SAID_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return html`<p class="sr" role="status">${words}</p>`;
}

function Line({ one, you, actions, tabIndex, choose }) {
  if (one.tip)
    return html`<li class="line line--tip" tabindex="-1">${t("comments.tipped", { nickname: one.nickname, points: one.points })}</li>`;
  const { author, kind, verdict } = one;
  const mine = author.account_id === you?.account_id;
  return html`<li class=${`line ${mine ? "line--mine" : ""} ${verdict === "hold" ? "line--held" : ""}`} tabindex="-1" onFocusIn=${() => choose(one.comment_id)} data-testid="comment" data-comment-id=${one.comment_id}>
    <p>
      ${kind === "question" && html`<span class="tag tag--question">${t("comments.question")}</span>`}
      ${author.role !== "viewer" && html`<span class="tag tag--staff">${t(`role.${author.role}`)}</span>`}
      <span class="line__author">${author.nickname}</span>
      <span class="line__text">${one.text}</span>
      ${verdict === "hold" && html`<span class="tag tag--held">${t(mine ? "comments.held_mine" : "comments.held")}</span>`}
    </p>
    ${actions?.(one, tabIndex)}
  </li>`;
}

export const Pinned = ({ comment }) =>
  comment &&
  html`<aside class="pinned" aria-label=${t("comments.pinned")} data-testid="pinned">
    <span class="tag tag--pin">${t("comments.pinned")}</span>
    <span class="line__author">${comment.author.nickname}</span>
    <span class="line__text">${comment.text}</span>
  </aside>`;
