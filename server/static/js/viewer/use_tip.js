/** The tip under way. The page holds it and not its sheet: who closes the sheet and opens it again finds it pending. */
import { t } from "../i18n/index.js";
import { underOneId } from "../one_id.js";
import { useState } from "../ui/html.js";

const NONE = { points: null, busy: false, error: null };

/** @returns {{points:number|null, busy:boolean, error:Error|null, give:(points:number)=>Promise<boolean>}} */
export function useTip({ client, broadcastId, say }) {
  const [tip, setTip] = useState(NONE);
  const give = async (points) => {
    if (tip.busy) return false;
    setTip({ points, busy: true, error: null });
    try {
      await underOneId(`tip ${broadcastId} ${points}`, (id) => client.tip(points, id));
    } catch (error) {
      setTip({ points, busy: false, error });
      return false;
    }
    setTip(NONE);
    say(t("tip.thanks", { points }), "good");
    return true;
  };
  return { ...tip, give };
}
