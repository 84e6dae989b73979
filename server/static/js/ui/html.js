/** The one place that names the vendored view library, so that replacing it touches one line. */
export {
  createContext,
  html,
  render,
  useCallback,
  useContext,
  useEffect,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from "../../vendor/htm-preact-standalone.module.js";
