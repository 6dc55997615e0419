// Tells the desk once that somebody looks at this page: without cookies, and not for a page that is only fetched ahead.
(() => {
  "use strict";
  const { views } = document.currentScript.dataset;
  const tell = () => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", tell);
    fetch(views, { method: "POST", mode: "no-cors", credentials: "omit", referrerPolicy: "no-referrer", keepalive: true }).catch(() => {});
  };
  document.addEventListener("visibilitychange", tell);
  tell();
})();
