# Berth. `make help` lists what there is.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false -trimpath
GO ?= go
DATA ?= /var/lib/berth
SPEED ?= 20
PKGS ?= ./...
MINUTES ?= 15
SEED ?= 1

.PHONY: help build up down deps test test-root e2e script bench bench-go soak lint fmt generate verify check fuzz ci tools pictures

help: ## what you can make
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-10s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

build: ## build bin/berth
	@mkdir -p bin
	@$(GO) build -ldflags "-s -w" -o bin/berth ./cmd/berth

deps: ## install what is missing on this machine (Debian packages: runc, python3, python3-urllib3, nftables is not needed)
	@sh scripts/deps

up: deps build ## install what is missing, build, start the server, deploy the example, print its URL
	@bin/berth up --data $(DATA) --speed $(SPEED)

down: build ## delete the example's stack and stop the server and all that it runs
	@bin/berth stop --data $(DATA)

test: ## tests that need neither root nor network
	@$(GO) test $(PKGS)

test-root: deps build ## the truth: namespaces, packets, containers, kills and deployments under load (as root)
	@$(GO) test -tags root -p 1 -timeout 20m $$(find internal -name '*_root_test.go' -printf './%h\n' | sort -u | grep -v -e internal/e2e -e internal/soak)
	@$(MAKE) --no-print-directory e2e

e2e: deps build ## the built program as its users have it: deploy under load, kill, refuse, scale (as root)
	@BERTH_BIN=$(CURDIR)/bin/berth $(GO) test -tags root -count=1 -timeout 20m ./internal/e2e

script: ## the stories of internal/sim/testdata/script on virtual time (UPDATE=1 rewrites them)
	@$(GO) test ./internal/sim -run Script $(if $(UPDATE),-args -update)

bench: deps build ## one table of figures, beside the peers that are in PATH (as root; ARGS="-json", "-only edge,boot", "-rounds 9")
	@$(GO) run ./internal/bench $(ARGS)

soak: deps build ## rounds of deeds and kills, counting failed requests and leaks (as root; MINUTES=15, SEED=1)
	@SOAK_MINUTES=$(MINUTES) SOAK_SEED=$(SEED) BERTH_BIN=$(CURDIR)/bin/berth $(GO) test -tags root -count=1 -timeout 0 -v -run RootSoak ./internal/soak

bench-go: ## the Go benchmarks of the rooms
	@$(GO) test -run '^$$' -bench . -benchtime 1s $(PKGS)

fuzz: ## every fuzz target for ten seconds
	@sh scripts/fuzz

# Root tests are the only files behind a build tag: with it all is seen.
lint: ## vet, staticcheck, errcheck and five more (tools/lint), formatting and the house rules
	@test -z "$$(gofmt -l cmd internal *.go)" || { gofmt -l cmd internal *.go; echo "run make fmt"; exit 1; }
	@$(GO) vet -tags root ./...
	@$(GO) -C tools build -o ../bin/lint ./lint
	@$(GO) vet -tags root -vettool=bin/lint ./...
	@$(GO) test -run 'TestImports|TestHouse|TestDocs' .

fmt: ## format
	@gofmt -w cmd internal *.go

generate: ## write generated code and documents again
	@$(GO) run ./internal/gen
	@$(GO) run ./internal/gen/fidelity
	@$(GO) run ./cmd/berth compatibility > docs/COMPATIBILITY.md
	@$(GO) test ./internal/daemon -run WhatWakesWhom -args -update >/dev/null

pictures: deps build ## the pictures of the README, from a server of their own (as root)
	@sh scripts/pictures

verify: generate ## fail if generated code or documents differ from what is committed
	@git diff --exit-code -- internal/wire/shape docs/COMPATIBILITY.md docs/fidelity ARCHITECTURE.md

check: lint test ## what every commit must pass

# A test that fails is run once more (what passed comes from the cache): some
# root tests race with the machine's load, and both runs stand in the output.
ci: deps build lint ## everything
	@$(MAKE) --no-print-directory test || { echo "AGAIN: what failed above runs once more"; $(MAKE) --no-print-directory test; }
	@$(MAKE) --no-print-directory test-root || { echo "AGAIN: what failed above runs once more"; $(MAKE) --no-print-directory test-root; }
	@$(MAKE) --no-print-directory verify
