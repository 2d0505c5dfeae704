# `make help` lists the targets. Settings of a target are environment variables, as in
# `API_PORT=8090 SAMPLE=none make run`.

# The tools, pinned here and nowhere else (the Temporal CLI: deploy/local/stack/temporalcli.go).
GOLANGCI_LINT_VERSION := v2.15.0
# govulncheck v1.9.0 needs a version of golang.org/x/telemetry that the module proxy does not serve.
GOVULNCHECK_VERSION   := v1.8.0
SQLC_VERSION          := v1.31.1
TEMPL_VERSION         := v0.3.977
WORKFLOWCHECK_VERSION := v0.6.0
ACTIONLINT_VERSION    := v1.7.12

BIN   := $(CURDIR)/.local/bin
LOCAL := $(BIN)/local

# The tests of whole stacks come first: they take the longest and mostly wait, so that the
# others run beside them, the longest of those first. go runs no package twice.
PACKAGES ?= ./deploy/e2e ./api/pages ./api ./internal/maindb ./...

# One more package than there are processors, for the same reason. make lint vets the code.
TESTS_AT_ONCE = $(shell expr $$(nproc 2>/dev/null || sysctl -n hw.ncpu) + 1)

# Under the race detector a password takes 0.66 s to hash instead of 0.03, hundreds of times,
# and a hash function shares no memory that the detector could watch. (The programs that tests
# of whole stacks run are built with the same flags: deploy/local/stack/build.go.)
RACE := -race -gcflags=golang.org/x/crypto/...=-race=false

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Work

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nSettings of make run, as environment variables\n'
	@printf '  %s\n' 'API_PORT=8080 WORKER_PORT=8081 MARIADB_PORT=13306 SQS_PORT=9324 SMTP_PORT=1025 MAIL_PORT=8025 TEMPORAL_PORT=7233 TEMPORAL_UI_PORT=8233' \
		'MONITOR=1 (Prometheus and Alertmanager too)  PROMETHEUS_PORT=9090 ALERTMANAGER_PORT=9093 ALERT_WEBHOOK_URL=(nobody)' \
		'MYSQLD=(path of a MySQL or MariaDB server; also of make test)' \
		'SAMPLE=boston|none  OPERATOR_LOGIN=operator OPERATOR_PASSWORD=(made once)  LOG_LEVEL=info'

.PHONY: run
run: setup-run $(if $(filter-out 0 false,$(MONITOR)),setup-prometheus) $(LOCAL) ## Start everything on this machine and load the sample race (SAMPLE=none: start it empty)
	@exec $(LOCAL) up

.PHONY: test
test: setup-test $(LOCAL) ## Run all tests under the race detector, with a MariaDB and an SQS server of their own (PACKAGES=./api/... for some)
	@echo 'Testing, for some ten minutes on two cores. go prints the packages in order: all wait for the first, the tests of whole stacks.'
	@$(LOCAL) exec --parts mariadb,sqs -- go test $(RACE) -vet=off -timeout 30m -p $(TESTS_AT_ONCE) $(PACKAGES)

# Everything but the packages that start whole stacks or compare environments.
UNIT := ./activities/... ./api/... ./internal/... ./worker/... ./workflows/...

.PHONY: check
check: setup-check tool-golangci-lint $(LOCAL) ## Format, lint and test all but whole stacks: the loop while you work
	@$(BIN)/golangci-lint fmt
	@$(BIN)/golangci-lint run --allow-parallel-runners
	@$(LOCAL) exec --parts mariadb,sqs -- go test $(UNIT)

.PHONY: chaos
chaos: setup-run $(LOCAL) ## Kill every part again and again under 5,000 records and 2,000 claims, mergers and hand-overs; takes minutes
	@$(LOCAL) exec --parts mariadb,sqs -- go test -timeout 60m -v -count=1 -run Chaos ./deploy/e2e -parallel 1 -args -chaos.limit -chaos.records=5000 -chaos.people=2000

.PHONY: rush
rush: setup-run $(LOCAL) ## 15,000 people ask for 1,000 places while an API is killed every second; 10,000 offers expire and are accepted at once; takes minutes
	@$(LOCAL) exec --parts mariadb,sqs -- go test -timeout 30m -v -count=1 -run TestRush ./deploy/e2e -args -rush.runners=15000
	@$(LOCAL) exec --parts mariadb -- go test -timeout 30m -v -count=1 -run TestExactlyOneEndsAnOffer ./internal/maindb -args -offers.rounds=10000

.PHONY: notices
notices: setup-run $(LOCAL) ## Tell the 16,783 of a race what changed, while every part is killed again and again, one each 3 seconds; takes minutes
	@$(LOCAL) exec --parts mariadb,sqs -- go test -timeout 40m -v -count=1 -run TestNoticesUnderKills ./deploy/e2e -args -notices.finishers=16783

.PHONY: bench
bench: setup-bench ## Measure the system against its limits; table and bench.json (BENCH=small|full, BENCH_ONLY=credits,latency)
	@go build -buildvcs=false -o $(BIN)/bench ./deploy/bench
	@exec $(BIN)/bench -size '$(or $(BENCH),default)' -only '$(BENCH_ONLY)'

.PHONY: sample
sample: setup-go $(LOCAL) ## Load the sample race into a stack that runs already, such as docker compose up (API_PORT=8080)
	@$(LOCAL) sample --api http://127.0.0.1:$(or $(API_PORT),8080)

.PHONY: backup
backup: setup-backup $(LOCAL) ## Back up both databases of this machine's stack, which may run (TO=FOLDER or TO=s3://bucket/prefix; LOGS=1: binary logs only)
	@$(LOCAL) backup $(if $(LOGS),--logs) $(if $(KEEP),--keep '$(KEEP)') '$(TO)'

.PHONY: restore
restore: setup-backup $(LOCAL) ## Restore them while the stack is stopped (FROM=… DATABASES=main_db,user_db AT=2026-04-20T09:30:00Z; deploy/docs/backup.md)
	@$(LOCAL) restore '$(FROM)'

.PHONY: verify-log
verify-log: setup-backup $(LOCAL) ## Verify the change log of this machine's stack, which may run (CHANGE_LOG_ANCHOR=POSITION:HASH from there on)
	@$(LOCAL) verify-log

.PHONY: drill
drill: setup-run setup-backup $(LOCAL) ## Rehearse a bad day with a race of 16,783: back up, restore one database or both, let the audit repair it
	@$(LOCAL) exec --parts mariadb,sqs -- go test -timeout 60m -v -count=1 -run TestRestoreDrill ./deploy/e2e -args -drill.records=16783

.PHONY: screenshots
screenshots: setup-go ## Take a picture of every page of a running stack and of every mail, into .local/screenshots (API=http://…)
	@deploy/local/setup.sh chromium
	@go run ./deploy/screenshots -api $(or $(API),http://127.0.0.1:$(or $(API_PORT),8080))

.PHONY: smoke
smoke: setup-go ## Send a race of ten through a running API and remove it again (API=http://…, SMOKE_PASSWORD=…)
	@go run ./deploy/smoke -api $(or $(API),http://127.0.0.1:$(or $(API_PORT),8080))

.PHONY: preflight
preflight: setup-go ## Check AWS accounts, GitHub and Temporal before the first apply (ENVIRONMENTS="PROFILE=size.tfvars,own.tfvars …")
	@go run ./deploy/preflight $(addprefix -environment ,$(ENVIRONMENTS))

TEMPLATES := api/pages internal/mail

.PHONY: lint
lint: setup-lint tool-golangci-lint tool-workflowcheck tool-sqlc tool-templ tool-actionlint tool-govulncheck ## Check style, layering, workflow determinism, generated code, the OpenAPI document, pipelines, scripts and known vulnerabilities
	$(BIN)/golangci-lint run --allow-parallel-runners
	$(BIN)/workflowcheck ./workflows/...
	$(BIN)/sqlc diff
	@for dir in $(TEMPLATES); do (cd $$dir && for page in *.templ; do \
		$(BIN)/templ generate -f $$page -stdout 2>/dev/null | cmp -s - $${page%.templ}_templ.go || { \
			echo "$$dir/$$page was changed after its Go code was generated: run make generate"; exit 1; }; done) || exit 1; done
	go test -count=1 -run TestOpenAPIDocument ./api
	$(BIN)/actionlint .github/workflows/*.yml
	shellcheck .ci/* .github/scripts/* deploy/*/*.sh deploy/club/upgrade deploy/pipeline/testdata/stub
	@.ci/vulncheck $(BIN)/govulncheck

.PHONY: fmt
fmt: setup-go tool-golangci-lint tool-templ ## Format the code
	$(BIN)/golangci-lint fmt
	$(BIN)/templ fmt -log-level error $(TEMPLATES)

.PHONY: generate
generate: setup-go tool-sqlc tool-templ ## Compile SQL queries, pages and mails to Go, write the table of settings
	$(BIN)/sqlc generate
	for dir in $(TEMPLATES); do (cd $$dir && $(BIN)/templ generate -log-level error) || exit 1; done
	go test ./deploy/settings -count=1 -run TestSettingsPage -update

.PHONY: histories
histories: setup-run $(LOCAL) ## Record the histories that the replay test runs, after a workflow was changed on purpose
	@$(LOCAL) exec --parts sqs -- go run ./deploy/histories workflows/testdata/histories

.PHONY: tools
tools: setup-go tool-golangci-lint tool-workflowcheck tool-sqlc tool-templ tool-actionlint tool-govulncheck ## Build the pinned tools into .local/bin

.PHONY: clean
clean: setup-go $(LOCAL) ## Forget the stack's data, logs, passwords and programs (the tools stay)
	@$(LOCAL) clean

# Parts of the above

# go build detects what has changed.
.PHONY: $(LOCAL)
$(LOCAL):
	@go build -buildvcs=false -o $@ ./deploy/local

.PHONY: setup-go setup-check setup-lint setup-run setup-bench setup-test setup-backup setup-prometheus
setup-go:
	@deploy/local/setup.sh go
setup-check:
	@deploy/local/setup.sh go shellcheck mariadb chromium
setup-lint:
	@deploy/local/setup.sh go shellcheck
setup-run:
	@deploy/local/setup.sh go mariadb
setup-bench:
	@deploy/local/setup.sh go mariadb chromium
setup-test:
	@deploy/local/setup.sh go mariadb mariadb-tools cc prometheus jq chromium axe
setup-backup:
	@deploy/local/setup.sh go mariadb mariadb-tools
setup-prometheus:
	@deploy/local/setup.sh prometheus

# tool NAME,PACKAGE,VERSION builds a tool unless that version is there.
define tool
.PHONY: tool-$(1)
tool-$(1):
	@go version -m $(BIN)/$(1) 2>/dev/null | awk '$$$$1 == "mod" {print $$$$3}' | grep -qx '$(3)' || { \
		echo "building $(1) $(3) once into .local/bin (go install $(2)@$(3)); this can take minutes"; \
		GOBIN=$(BIN) go install $(2)@$(3); }
endef
$(eval $(call tool,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION)))
$(eval $(call tool,govulncheck,golang.org/x/vuln/cmd/govulncheck,$(GOVULNCHECK_VERSION)))
$(eval $(call tool,sqlc,github.com/sqlc-dev/sqlc/cmd/sqlc,$(SQLC_VERSION)))
$(eval $(call tool,templ,github.com/a-h/templ/cmd/templ,$(TEMPL_VERSION)))
$(eval $(call tool,actionlint,github.com/rhysd/actionlint/cmd/actionlint,$(ACTIONLINT_VERSION)))
$(eval $(call tool,workflowcheck,go.temporal.io/sdk/contrib/tools/workflowcheck,$(WORKFLOWCHECK_VERSION)))
