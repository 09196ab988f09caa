package app;

import com.posthog.server.PostHog;
import com.posthog.server.PostHogConfig;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** posthog-server for the JVM plays the common script; see e2e/README.md. */
public final class Send {
  public static void main(String[] args) throws Exception {
    PostHogConfig config =
        new PostHogConfig.Builder(System.getenv("AQUEDUCT_TOKEN"))
            .host(System.getenv("AQUEDUCT_URL"))
            .preloadFeatureFlags(false)
            .flushAt(1000)
            .build();
    PostHog client = new PostHog();
    client.setup(config);
    String ann = "jvm-ann";
    client.capture("jvm-anon", "landed", Map.of("$process_person_profile", false), null, null, null, null, false);
    Map<String, Object> properties = new HashMap<>();
    properties.put("text", "grün 🌊 \"q\"");
    properties.put("whole", 42);
    properties.put("real", 1.5);
    properties.put("yes", true);
    properties.put("list", List.of(1, "two", Map.of("three", 3)));
    properties.put("nested", Map.of("a", Map.of("b", List.of())));
    Date when = Date.from(Instant.parse("2024-03-01T12:00:00.123Z"));
    client.capture(ann, "plan chosen", properties, null, null, null, when, false);
    client.identify(ann, Map.of("plan", "pro", "seats", 5), Map.of("first", "yes"));
    client.alias(ann, "jvm-anon");
    client.group(ann, "company", "acme", Map.of("name", "Acme", "size", 12));
    client.capture(ann, "invited", null, null, null, Map.of("company", "acme"), null, false);
    // Calls hand events to a queue of the SDK's own thread; a flush takes what has got there.
    for (int i = 0; i < 4; i++) {
      Thread.sleep(500);
      client.flush();
    }
    Thread.sleep(2000);
    client.close();
    System.exit(0);
  }
}
