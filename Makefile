# Two commands matter: `make run` and `make test`. The rest serve them.
.PHONY: run build ui assets test test-rust test-ui test-e2e test-crash crash soak lint format docs bench bench-queries fuzz clean

CARGO ?= cargo

## run: builds all and starts the product with live sample data
run: build
	@scripts/run

## build: what ships: one binary with the page and the SDK's bundles in it, and the handbook's publisher
build: ui assets
	$(CARGO) build --release --locked --package aqueduct-server --package mdbook-grav

ui: ui/dist/index.html

ui/dist/index.html: ui/package-lock.json ui/index.html ui/vite.config.ts $(wildcard ui/src/*)
	cd ui && npm ci --no-fund --no-audit --silent && npm run --silent build

## assets: the published posthog-js bundles that the binary serves
assets:
	scripts/fetch-assets

## test: installs what tests need, then runs all of them
test: test-rust test-ui test-e2e test-crash

test-rust: ui assets
	$(CARGO) test --locked --workspace

test-ui: ui
	cd ui && npm test --silent

# Real SDKs and a real browser against the binary that ships.
test-e2e: build
	scripts/install-test-tools
	python3 e2e/run.py

# The binary that ships under kills, freezes, a full disk and little memory, as far as the machine allows.
test-crash: build
	$(CARGO) run --locked --package bench -- crash --kills 30 --freezes 1

## crash: the same with 300 kills
crash: build
	$(CARGO) run --locked --package bench -- crash --kills 300

## lint: format, lints as errors, house rules
lint: ui assets
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	cd ui && npm run --silent check

format:
	$(CARGO) fmt --all

## docs: the handbook as HTML and as Grav pages
docs:
	scripts/build-docs

## bench: measures the whole path; prints a table
bench: build
	$(CARGO) run --release --locked --package bench -- ingest

## bench-queries: the same questions of the server, of ClickHouse and of DuckDB: `make bench-queries [EVENTS=2000000] [PYTHON=venv/bin/python]`
EVENTS ?= 20000000
PYTHON ?= python3
bench-queries: build
	$(CARGO) run --release --locked --package bench -- queries --events $(EVENTS) --python $(PYTHON)

## soak: the simulator on seed after seed: `make soak SECONDS=600 [SEED=1000000]`
SECONDS ?= 60
SEED ?= 1000000
soak:
	$(CARGO) run --locked --package aqueduct-testkit --example soak -- $(SECONDS) $(SEED)

## fuzz: each fuzz target for a minute
fuzz:
	scripts/fuzz 60

clean:
	$(CARGO) clean
	rm -rf ui/dist ui/node_modules
