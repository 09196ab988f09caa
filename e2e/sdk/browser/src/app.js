// An application that imports posthog-js from npm. Address and token come in the query.
import posthog from "posthog-js";

const query = new URLSearchParams(window.location.search);
posthog.init(query.get("token"), {
  api_host: query.get("host"),
  person_profiles: "always",
  capture_pageview: true,
  capture_pageleave: true,
  request_batching: true,
  loaded: () => {
    window.ready = true;
  },
});
window.posthog = posthog;
