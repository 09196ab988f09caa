// An application that imports posthog-js from npm. Address and token come in the query.
import posthog from "posthog-js";

const query = new URLSearchParams(window.location.search);
posthog.init(query.get("token"), {
  api_host: query.get("host"),
  person_profiles: "always",
  // A headless browser says that it is one, and the SDK sends nothing for bots.
  opt_out_useragent_filter: true,
  capture_pageview: true,
  capture_pageleave: true,
  request_batching: true,
  loaded: () => {
    window.ready = true;
  },
});
window.posthog = posthog;
