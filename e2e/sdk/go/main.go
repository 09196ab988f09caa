// posthog-go plays the common script; see ../../README.md.
package main

import (
	"log"
	"os"
	"time"

	"github.com/posthog/posthog-go"
)

type failures struct{}

func (failures) Success(posthog.APIMessage)            {}
func (failures) Failure(_ posthog.APIMessage, e error) { log.Fatalf("not delivered: %v", e) }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	client, err := posthog.NewWithConfig(os.Getenv("AQUEDUCT_TOKEN"), posthog.Config{Endpoint: os.Getenv("AQUEDUCT_URL"), Callback: failures{}})
	must(err)
	const ann = "go-ann"
	must(client.Enqueue(posthog.Capture{DistinctId: "go-anon", Event: "landed",
		Properties: posthog.NewProperties().Set("$process_person_profile", false)}))
	must(client.Enqueue(posthog.Capture{
		DistinctId: ann,
		Event:      "plan chosen",
		Uuid:       "0192d3a0-0000-7000-8000-00000000a003",
		Timestamp:  time.Date(2024, 3, 1, 12, 0, 0, 123000000, time.UTC),
		Properties: posthog.NewProperties().Set("text", `grün 🌊 "q"`).Set("whole", 42).Set("real", 1.5).Set("yes", true).Set("none", nil).
			Set("list", []any{1, "two", map[string]any{"three": 3}}).Set("nested", map[string]any{"a": map[string]any{"b": []any{}}}),
	}))
	must(client.Enqueue(posthog.Identify{DistinctId: ann, Properties: posthog.NewProperties().Set("plan", "pro").Set("seats", 5)}))
	must(client.Enqueue(posthog.Alias{DistinctId: ann, Alias: "go-anon"}))
	must(client.Enqueue(posthog.GroupIdentify{Type: "company", Key: "acme", Properties: posthog.NewProperties().Set("name", "Acme").Set("size", 12)}))
	must(client.Enqueue(posthog.Capture{DistinctId: ann, Event: "invited", Groups: posthog.NewGroups().Set("company", "acme")}))
	flags, err := client.GetAllFlags(posthog.FeatureFlagPayloadNoKey{DistinctId: ann})
	must(err)
	if len(flags) != 0 {
		log.Fatalf("expected no flags, got %v", flags)
	}
	must(client.Close())
}
