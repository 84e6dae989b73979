/** Comments as they come, newest last; follows the newest unless the reader has scrolled back. */
import { t } from "../i18n/index.js";
import { html, useEffect, useRef, useState } from "./html.js";

const NEAR_END_PX = 40;

/**
 * @param {{comments:object[], you:object|null, actions?:(comment:object)=>preact.VNode}} props
 */
export function CommentFlow({ comments, you, actions, label }) {
  const list = useRef(null);
  const [following, setFollowing] = useState(true);
  const lastTop = useRef(0);
  const newest = comments.length ? comments[comments.length - 1].comment_id : null;
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
  return html`<div class="flow">
    <ol class="flow__list" ref=${list} onScroll=${scrolled} role="log" aria-live="polite" aria-label=${label ?? t("comments.label")} tabindex="0">
      ${comments.map((one) => html`<${Line} key=${one.comment_id} one=${one} you=${you} actions=${actions} />`)}
    </ol>
    ${!following &&
    html`<button type="button" class="flow__newest" onClick=${() => setFollowing(true)}>${t("comments.newest")}</button>`}
  </div>`;
}

function Line({ one, you, actions }) {
  if (one.tip)
    return html`<li class="line line--tip">${t("comments.tipped", { nickname: one.nickname, points: one.points })}</li>`;
  const { author, kind, verdict } = one;
  const mine = author.account_id === you?.account_id;
  return html`<li class=${`line ${mine ? "line--mine" : ""} ${verdict === "hold" ? "line--held" : ""}`} data-testid="comment" data-comment-id=${one.comment_id}>
    <p>
      ${kind === "question" && html`<span class="tag tag--question">${t("comments.question")}</span>`}
      ${author.role !== "viewer" && html`<span class="tag tag--staff">${t(`role.${author.role}`)}</span>`}
      <span class="line__author">${author.nickname}</span>
      <span class="line__text">${one.text}</span>
      ${verdict === "hold" && html`<span class="tag tag--held">${t(mine ? "comments.held_mine" : "comments.held")}</span>`}
    </p>
    ${actions?.(one)}
  </li>`;
}

export const Pinned = ({ comment }) =>
  comment &&
  html`<aside class="pinned" aria-label=${t("comments.pinned")} data-testid="pinned">
    <span class="tag tag--pin">${t("comments.pinned")}</span>
    <span class="line__author">${comment.author.nickname}</span>
    <span class="line__text">${comment.text}</span>
  </aside>`;
