import { useSyncExternalStore } from "react";

// The page's paths. The server answers the same page at each of them.

const CHANGED = "aqueduct-route";

function subscribe(changed: () => void): () => void {
  window.addEventListener("popstate", changed);
  window.addEventListener(CHANGED, changed);
  return () => {
    window.removeEventListener("popstate", changed);
    window.removeEventListener(CHANGED, changed);
  };
}

/** The path that is shown. */
export const usePath = () => useSyncExternalStore(subscribe, () => window.location.pathname);

/** Shows another path, with a way back. */
export function go(path: string) {
  window.history.pushState(null, "", path);
  window.dispatchEvent(new Event(CHANGED));
}
