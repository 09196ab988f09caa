module aqueduct/e2e

go 1.23

require github.com/posthog/posthog-go v1.5.2
