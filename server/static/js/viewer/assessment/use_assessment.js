/**
 * One risk assessment: the questions, the answers, the level they came to. What an answer is worth, how often one may
 * try and whether a level has to be confirmed is the server's; here stands only what was chosen.
 */
import { get, post } from "../../api.js";
import { useEffect, useReducer } from "../../ui/html.js";
import { postOnce } from "../purchase/idempotency.js";

const START = { asked: null, standing: null, answers: {}, result: null, error: null, busy: false };
const change = (state, fields) => ({ ...state, ...fields });

/** The questions without an answer, in their order. */
export const unanswered = ({ asked, answers }) => asked.questions.filter((question) => !(question.id in answers));

export function useAssessment() {
  const [state, set] = useReducer(change, START);

  const attempt = async (work) => {
    set({ busy: true, error: null });
    try {
      set({ ...(await work()), busy: false });
    } catch (error) {
      set({ error, busy: false });
    }
  };
  const begin = () =>
    attempt(async () => {
      const [asked, standing] = await Promise.all([get("/api/v1/questionnaire"), get("/api/v1/assessments")]);
      return { asked, standing, answers: {}, result: standing.unconfirmed };
    });
  const choose = (question, option) => set({ answers: { ...state.answers, [question]: option }, error: null });
  const send = () =>
    attempt(async () => {
      const body = { questionnaire_version: state.asked.version, answers: state.answers };
      return { result: await postOnce("/api/v1/assessments", body) };
    });
  const confirm = () =>
    attempt(async () => ({ result: await post(`/api/v1/assessments/${state.result.assessment_id}/confirm`) }));
  const again = () => set({ result: null, answers: {}, error: null });

  useEffect(() => void begin(), []);
  return { state, begin, choose, send, confirm, again };
}
