# The few verbs that everybody types. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The tools that check the code are pinned in a module of their own.
TOOL := go tool -modfile=$(CURDIR)/tools/go.mod
# The SDKs behind Hufu, and others to compare with. What they bring is none of ours.
EXAMPLES := examples examples/powerwechat
PEERS := bench/peers
# How long each fuzz target runs: a time (10s) or a number of inputs (5000x).
FUZZTIME ?= 10s
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE ?= hufu:$(VERSION)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/hufu
	CGO_ENABLED=0 go build -trimpath -tags timetzdata -ldflags '-s -w -X main.version=$(VERSION)' -o bin/hufu ./cmd/hufu

deps: ## look for what the tests need besides Go; root on Debian gets the browser, the servers and Node
	@tools/deps.sh

# One package at a time: some start real servers whose tokens live seconds, and
# a disk that is busy for two would make them wait.
test: deps ## run all tests, with the race detector
	@set -e; export TMPDIR="$$(tools/tmpdir.sh)"; set -x; go test -race -p 1 ./...; \
	for module in $(EXAMPLES); do go -C $$module test -race ./...; done; go -C $(PEERS) test -short ./...

cluster: deps ## the whole of internal/cluster, for minutes: every step of an issue on every engine; make test has the core of it
	TMPDIR="$$(tools/tmpdir.sh)" go test -race -count=1 -timeout 20m -tags cluster ./internal/cluster

# How many days the simulation lasts, and with which seed it begins; ONE=1 makes that run only, and prints its course.
DAYS ?= 10000
SEED ?= 0
ONE ?=

prove: ## the renewal protocol under DAYS simulated days, in which everything fails
	GOGC=400 go test -count=1 -timeout 30m -run '^TestTheProtocolHolds$$' -v ./internal/proof -args -days $(DAYS) -seed $(SEED) $(if $(ONE),-one)

mutants: ## the simulation catches every mutant of the keeper; a quarter of an hour
	go test -count=1 -timeout 2h -tags mutants -run '^TestMutantsAreCaught$$' -v ./internal/proof

lint: ## gofmt, gofumpt, go vet, staticcheck, generated files, and the state of go.mod
	@echo gofmt, gofumpt; out="$$(gofmt -l . && $(TOOL) gofumpt -l .)" && { [ -z "$$out" ] || { echo "not formatted:"; echo "$$out" | sort -u; exit 1; }; }
	go vet -tags cluster ./internal/cluster
	$(TOOL) staticcheck -tags cluster ./internal/cluster
	go vet -tags mutants ./internal/proof
	@set -eo pipefail; tools="$$PWD/tools/go.mod"; for page in $$(find . -name '*.templ'); do \
		echo "$$page"; cd "$$(dirname "$$page")"; page="$$(basename "$$page" .templ)"; \
		go tool -modfile="$$tools" templ generate -f "$$page.templ" -stdout 2>/dev/null | diff "$${page}_templ.go" - || \
			{ echo "$${page}_templ.go is not what go generate makes of $$page.templ"; exit 1; }; \
		cd - >/dev/null; \
	done
	@set -eo pipefail; for module in . $(EXAMPLES) $(PEERS); do \
		echo "$$module: go vet, staticcheck, go.mod"; cd $(CURDIR)/$$module; \
		go vet ./...; $(TOOL) staticcheck ./...; go mod tidy -diff; go mod verify; \
	done

bench: ## the measured promises: the price of a read, a call and a login, 100,000 apps; the stores against their bare drivers
	go test -run '^TestAWarmReadCostsALoad$$' -bench '^BenchmarkWarmRead$$' -v .
	go test -run '^$$' -bench '^(BenchmarkRead|BenchmarkCall|BenchmarkLogin|BenchmarkHundredThousandApps)$$' ./internal/api ./internal/gateway ./internal/webauth ./internal/keeper
	go test -run '^$$' -bench '^BenchmarkAgainstDriver$$' ./internal/store/postgres ./internal/store/mysql

# Without a package it shows what the tests print.
bench-peers: deps ## what SDKs do and what Hufu does, in the same experiments: the tables of docs/peers.md
	TMPDIR="$$(tools/tmpdir.sh)" go -C $(PEERS) test -count=1

fuzz: ## run each fuzz target for FUZZTIME
	@set -eo pipefail; \
	for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for name in $$(grep -rhoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6- | sort -u); do \
			echo "$$dir $$name"; \
			go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$dir; \
		done; \
	done

cover: ## which statements the tests reach
	go test -coverprofile=cover.out -coverpkg=./... ./...
	@go tool cover -func=cover.out | tail -1
	@echo "more: go tool cover -html=cover.out"

vuln: ## known vulnerabilities in what we call (needs the network)
	go run golang.org/x/vuln/cmd/govulncheck@v1.8.0 ./...

demo: ## a simulated WeChat and a server, no configuration
	go run ./cmd/hufu demo

sim: ## the simulated WeChat alone
	go run ./cmd/hufu sim

image: ## build the container image
	docker build --build-arg VERSION=$(VERSION) -t $(IMAGE) .

.PHONY: help build deps test cluster prove mutants lint bench bench-peers fuzz cover vuln demo sim image
