# Berth. `make help` lists what there is.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false -trimpath
GO ?= go
DATA ?= /var/lib/berth
SPEED ?= 20
PKGS ?= ./...
MINUTES ?= 15
SEED ?= 1
# What go test is told always; the seed is printed, and SHUFFLE=seed repeats it.
SHUFFLE ?= on
TEST = $(GO) test -shuffle=$(SHUFFLE)
RACE = CGO_ENABLED=1 $(TEST) -race
# The packages with root tests, and those of them that run under the race
# detector: linked statically, since the test program is the containers' init
# and program too, and there is no C library in them.
ROOT = $(sort $(shell find internal -name '*_root_test.go' -not -path '*/e2e/*' -not -path '*/soak/*' -printf './%h\n'))
ROOT_RACE = ./internal/agent ./internal/container/runc ./internal/edge ./internal/function ./internal/hostnet ./internal/machine/local

.PHONY: help build up down deps deps-ci test test-race test-root e2e script bench bench-go soak lint fmt generate verify check cover fuzz ci pictures

help: ## what you can make
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-10s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

build: ## build bin/berth
	@mkdir -p bin
	@$(GO) build -ldflags "-s -w" -o bin/berth ./cmd/berth

deps: ## install what is missing on this machine (Debian packages: runc, e2fsprogs, python3, python3-urllib3, ca-certificates)
	@sh scripts/deps

deps-ci: # and what make ci needs: a C compiler for the race detector, git for verify, skopeo as a client of the registry
	@sh scripts/deps gcc git skopeo

up: deps build ## install what is missing, build, start the server, deploy the example, print its URL (DATA=/var/lib/berth, SPEED=20, LISTEN=127.0.0.1:4566; as root)
	@bin/berth up --data $(DATA) --speed $(SPEED) $(if $(LISTEN),--listen $(LISTEN))

down: build ## delete the example's stack and stop the server and all that it runs (the DATA of up)
	@bin/berth stop --data $(DATA)

test: ## tests that need neither root nor network (SHUFFLE=off takes from the cache what has passed)
	@$(TEST) $(PKGS)

test-race: deps-ci ## the same under the race detector, and the root tests of those that hold threads and sockets (as root)
	@$(RACE) -timeout 30m $$($(GO) list ./... | grep -v $(patsubst ./%,-e berth/%$$,$(ROOT_RACE)))
	@$(RACE) -tags root,netgo,osusergo -ldflags '-linkmode=external -extldflags=-static' -p 1 -timeout 20m $(ROOT_RACE)

test-root: deps build ## the truth: namespaces, packets, containers, kills and deployments under load (as root)
	@$(TEST) -tags root -p 1 -timeout 20m $(if $(RACED),$(filter-out $(ROOT_RACE),$(ROOT)),$(ROOT))
	@$(MAKE) --no-print-directory e2e

e2e: deps-ci build ## the built program as its users have it: deploy under load, kill, refuse, scale (as root)
	@BERTH_BIN=$(CURDIR)/bin/berth $(TEST) -tags root -timeout 40m ./internal/e2e

script: ## the stories of internal/sim/testdata/script on virtual time (UPDATE=1 rewrites them)
	@$(GO) test ./internal/sim -run Script $(if $(UPDATE),-args -update)

bench: deps build ## one table of figures, beside the peers that are in PATH (as root; ARGS="-json", "-only edge,boot", "-rounds 9")
	@$(GO) run ./internal/bench $(ARGS)

soak: deps build ## rounds of deeds and kills, counting failed requests and leaks (as root; MINUTES=15, SEED=1)
	@SOAK_MINUTES=$(MINUTES) SOAK_SEED=$(SEED) BERTH_BIN=$(CURDIR)/bin/berth $(GO) test -tags root -count=1 -timeout 0 -v -run RootSoak ./internal/soak

bench-go: ## the Go benchmarks of the packages
	@$(GO) test -run '^$$' -bench . -benchtime 1s $(PKGS)

fuzz: ## every fuzz target, FUZZTIME=2m in all; what breaks one is kept as a corpus file
	@FUZZTIME=$(or $(FUZZTIME),2m) sh scripts/fuzz

cover: ## the tests, with each package's coverage held against docs/coverage.txt (UPDATE=1 raises the floors)
	@UPDATE=$(UPDATE) sh scripts/cover

# Root tests are the only files behind a build tag: with it all is seen.
lint: ## vet, staticcheck, errcheck and five more (tools/lint), formatting and the rules
	@test -z "$$(gofmt -l cmd internal *.go)" || { gofmt -l cmd internal *.go; echo "run make fmt"; exit 1; }
	@$(GO) vet -tags root ./...
	@$(GO) -C tools build -o ../bin/lint ./lint
	@$(GO) vet -tags root -vettool=bin/lint ./...
	@$(GO) test .

fmt: ## format
	@gofmt -w cmd internal *.go

generate: ## write generated code and documents again
	@$(GO) run ./internal/gen
	@$(GO) run ./internal/gen/fidelity
	@$(GO) run ./cmd/berth compatibility > docs/COMPATIBILITY.md
	@$(GO) test ./internal/daemon -run ArchitecturesTables -args -update >/dev/null

pictures: deps build ## the pictures of the README, from a server of their own (as root)
	@sh scripts/pictures

verify: generate ## fail if generated code or documents differ from what is committed
	@git diff --exit-code -- internal/wire/shape docs/COMPATIBILITY.md docs/fidelity ARCHITECTURE.md

check: lint test ## what every commit must pass

# No test is run again but those that say that they are unsteady (internal/flaky).
ci: ## everything, with the time of each step (as root)
	@MAKE="$(MAKE)" sh scripts/ci
