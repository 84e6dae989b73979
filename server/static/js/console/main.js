/** The host's console: own broadcasts, or one of them opened as a studio (named in the address's fragment). */
import { html, useEffect, useState } from "../ui/html.js";
import { startPage } from "../ui/page.js";
import { StaffBar } from "../ui/staff_bar.js";
import { BroadcastList } from "./broadcast_list.js";
import { Studio } from "./studio.js";

const opened = () => location.hash.slice(1) || null;

function Console({ config, session }) {
  const [broadcastId, setBroadcastId] = useState(opened());
  useEffect(() => {
    const moved = () => setBroadcastId(opened());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return html`<div class="desk">
    <${StaffBar} session=${session} back=${broadcastId && "#"} />
    ${broadcastId
      ? html`<${Studio} key=${broadcastId} config=${config} session=${session} broadcastId=${broadcastId} />`
      : html`<${BroadcastList} />`}
  </div>`;
}

startPage(Console, { roles: ["host"], title: "console.title" });
