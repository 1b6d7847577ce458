# make test    everything that must hold: format, vet, staticcheck, the site, import
#              table, tests, under the race detector where goroutines meet,
#              80,000 random inputs, forty disturbed runs over a console,
#              builds for other platforms
# make attack  the attacks among the tests with twenty times the cases: random
#              inputs, kills, races and secrets; takes hours
# make windows-test
#              runs the tests that need no Unix as programs of Windows, under Wine,
#              and lists what was left out; takes a quarter of an hour; see
#              docs/develop/windows.md
# make vulnerabilities
#              looks for known vulnerabilities in what the program calls, with
#              a database of the day that is pinned below
# make bench   measures speed and memory, with a slapd of its own; see
#              docs/develop/performance.md
# make fuzz    runs every fuzz target for FUZZTIME (default 1m)
# make site    the documentation as a site, in the folder site
# make build   the program, as ./rollcall
# make packages
#              archives, packages and images for every platform, in the folder dist
# make packages-test
#              installs, uses, upgrades and removes them, makes them twice, and makes a
#              release of a version that does not exist
# make sbom    what each program is linked with, as CycloneDX, in the folder dist
# make release VERSION=…
#              packages, SBOMs, notes, a formula of Homebrew and checksums, in dist
# make sign KEY=…
#              signs the checksums with a key of minisign
# make publishing, make publish-github, make publish-gitlab
#              what the workflows end with; see docs/develop/releasing.md

GO         ?= go
FUZZTIME   ?= 1m
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.8.0
VULNDB      = v0.0.0-20261105234957-e22db6528018
NFPM        = v2.45.2
WINRES      = v0.3.3
SBOM        = v1.10.0
# The toolchain that builds releases; see go.mod.
TOOLCHAIN   = $(shell sed -n 's/^toolchain //p' go.mod)
PACKAGES    = gcc libc6-dev python3-aiosmtpd slapd ldap-utils samba samba-ad-provision samba-dsdb-modules samba-vfs-modules \
              python3-samba python3-markdown ldb-tools krb5-user 389-ds-base chromium chromium-driver fonts-dejavu-core \
              cmark-gfm curl git hugo jq nodejs patch python3-yaml shellcheck systemd \
              postfix postfix-lmdb postfix-cdb postfix-pgsql postfix-mysql postfix-ldap libidn12 dovecot-core dovecot-lmtpd dovecot-imapd \
              dovecot-pgsql dovecot-mysql \
              postgresql pgbouncer mariadb-server-core mariadb-client-core php-cli php-pgsql php-mysql php-mbstring
COMMANDS    = npm
# The first cannot be installed beside postfix, the second brings a web server.
UNPACKED    = exim4-daemon-light postfixadmin
# What tests take from npm, each with its modules in .tools: a SCIM server, and the
# rules of accessibility that pages are checked against.
NODE        = scimmy axe
# What several goroutines run is tested under the race detector: these packages, and
# of two others the tests of what they run beside each other. A test of
# internal/architecture knows which packages need it.
RACED       = ./apply ./cmd/... ./examples/... ./state ./internal/atomicfile ./internal/bench ./internal/blockfile ./internal/channel/... ./internal/connector ./internal/console/... ./internal/directory/ldap \
              ./internal/directory/suite/... ./internal/identity ./internal/parallel ./internal/redact ./internal/servertest ./internal/store/...
RACED_TESTS = Sort|AsWanted|Progress
# Tests of cmd/rollcall, state and stores go without it in which what runs beside each
# other are processes, or stands for some, or nothing is, or what others run, too.
PROCESSES   = ^Test(KilledAt|NoticeKilled|EditKilled|ConsoleK|Scripts|Cases|Scenario|HostileValues|Live|ExplainLive|MassChanges|Docs|Schemas|PowerLoss|Writers|SharedP|SharedM|SharedS|SharedC|SharedL|StateHTTP|ConsoleLine|ConsoleNeeds|ConsoleClaimed|ConsoleWithout|ConsoleOf|Tables|Indexed|Followed|Logins|ConsoleSetup|RepairsOnSamba|SnapshotInChain|SnapshotOfServer|Expiries|Examples|Help|ExplainRemoved|QuickstartReports|Init|Departed|Man|CompareServer)
UNRACED     = ./plan ./state ./cmd/rollcall ./internal/store/...
PLATFORMS   = linux/arm64 darwin/arm64 windows/amd64

# What packages are tested with.
PACKAGING   = git binutils jq file zip unzip shellcheck systemd mmdebstrap lintian rpm skopeo umoci minisign ruby curl python3-yaml gh
.PHONY: build test installed prepare format vet staticcheck site unit platforms attack windows-test vulnerabilities bench fuzz packages packages-test sbom release sign publishing publish-github publish-gitlab

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o rollcall ./cmd/rollcall

test: prepare format vet staticcheck site unit platforms
	@echo "all checks passed; nothing was left out"

packages: .tools/nfpm-$(NFPM) .tools/go-winres-$(WINRES)
	rm -rf dist
	NFPM=$(CURDIR)/.tools/nfpm-$(NFPM) WINRES=$(CURDIR)/.tools/go-winres-$(WINRES) TOOLCHAIN=$(TOOLCHAIN) GO=$(GO) internal/packaging/build dist

# The names of the tools have their versions, so that another version is made anew.
# They compress, so that they, too, are made by the toolchain of releases.
.tools/nfpm-$(NFPM):
	GOTOOLCHAIN=$(TOOLCHAIN) GOBIN=$(CURDIR)/.tools $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM)
	mv .tools/nfpm $@

.tools/go-winres-$(WINRES):
	GOTOOLCHAIN=$(TOOLCHAIN) GOBIN=$(CURDIR)/.tools $(GO) install github.com/tc-hib/go-winres@$(WINRES)
	mv .tools/go-winres $@

sbom: .tools/cyclonedx-gomod-$(SBOM)
	SBOM=$(CURDIR)/.tools/cyclonedx-gomod-$(SBOM) TOOLCHAIN=$(TOOLCHAIN) GO=$(GO) internal/packaging/sbom dist

.tools/cyclonedx-gomod-$(SBOM):
	GOBIN=$(CURDIR)/.tools $(GO) install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(SBOM)
	mv .tools/cyclonedx-gomod $@

release:
	internal/packaging/releasable "$(VERSION)"
	$(MAKE) --no-print-directory packages
	$(MAKE) --no-print-directory sbom
	internal/packaging/release dist

sign:
	@internal/packaging/sign dist "$(KEY)"

# What it takes to sign and publish, for a machine that has nothing else.
publishing:
	@$(MAKE) --no-print-directory installed PACKAGES="minisign gh curl jq" COMMANDS=

publish-github publish-gitlab:
	internal/packaging/publish $(subst publish-,,$@) dist

packages-test: PACKAGES = $(PACKAGING)
packages-test: COMMANDS =
packages-test: installed packages .tools/cyclonedx-gomod-$(SBOM)
	NFPM=$(CURDIR)/.tools/nfpm-$(NFPM) WINRES=$(CURDIR)/.tools/go-winres-$(WINRES) TOOLCHAIN=$(TOOLCHAIN) GO=$(GO) internal/packaging/test dist
	internal/packaging/test-release

# Live tests mostly wait for their servers: more of them run beside each other
# than there are cores.
#
# The race detector needs a C compiler, and the tests of live directories need
# servers. Those that the tests start listen on the loopback interface; while
# packages are installed, policy-rc.d keeps Debian from starting others. Some packages
# of nodejs bring npm along and do not go with Debian's own.
installed:
	@missing=$$(for p in $(PACKAGES); do \
	  dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || echo $$p; done; \
	  for c in $(COMMANDS); do command -v $$c >/dev/null || echo $$c; done); \
	test -n "$$missing" || exit 0; \
	echo "installing" $$missing; \
	if ! test -e /usr/sbin/policy-rc.d; then \
	  trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
	  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d; \
	fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

prepare: installed
	@for p in $(UNPACKED); do \
	  dir="$${XDG_CACHE_HOME:-$$HOME/.cache}/rollcall/$$p"; test ! -d "$$dir" || continue; \
	  echo "unpacking $$p"; \
	  (rm -rf "$$dir.part" && mkdir -p "$$dir.part" && cd "$$dir.part" && \
	    { apt-get download -q $$p || { apt-get update -q && apt-get download -q $$p; }; } && \
	    dpkg -x $${p}_*.deb . && mv "$$dir.part" "$$dir") || exit 1; \
	done
	@id -u Debian-exim >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin Debian-exim
	$(GO) mod download
	$(GO) mod verify
	@for p in $(NODE); do \
	  dir=.tools/$$p; ! cmp -s internal/servertest/$$p/package-lock.json $$dir/installed || continue; \
	  { mkdir -p $$dir && cp internal/servertest/$$p/package*.json $$dir/ && \
	    npm ci --prefix $$dir --ignore-scripts --no-audit --no-fund --loglevel=error && \
	    cp $$dir/package-lock.json $$dir/installed; } || exit 1; \
	done
	@$(MAKE) --no-print-directory .tools/versitygw

# The S3 server of tests, a module of its own. What it needs and never runs is compiled
# in a hurry.
.tools/versitygw: $(wildcard internal/servertest/versitygw/*)
	@mkdir -p $(@D)
	cd internal/servertest/versitygw && $(GO) build $(foreach p,aws hashicorp segmentio nats-io rabbitmq,-gcflags='github.com/$(p)/...=-N -l') -ldflags='-s -w' -o $(CURDIR)/$@ .
	@touch $@

format:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "gofmt would change: $$files"; exit 1; }

vet:
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...

staticcheck:
	GOBIN=$(CURDIR)/.tools $(GO) install $(STATICCHECK)
	.tools/staticcheck ./...
	GOOS=windows .tools/staticcheck $$(find . -name '*_windows*.go' -printf '%h\n' | sort -u)

site:
	hugo --source internal/site --destination "$(CURDIR)/site" --cleanDestinationDir --noBuildLock --quiet

unit:
	ROLLCALL_SERVERS=required CGO_ENABLED=1 $(GO) test -count=1 -race -timeout 30m -p 4 -parallel 8 -skip '$(PROCESSES)' $(RACED)
	CGO_ENABLED=1 $(GO) test -count=1 -race -run '$(RACED_TESTS)' ./plan ./internal/render
	ROLLCALL_SERVERS=required $(GO) test -count=1 -short -timeout 30m -p 4 -skip '^TestProperties$$' $$($(GO) list ./... | grep -vxF "$$($(GO) list $(RACED))")
	ROLLCALL_SERVERS=required $(GO) test -count=1 -timeout 30m -p 2 -parallel 8 -run 'TestProperties|$(PROCESSES)' $(UNRACED)

platforms:
	@for p in $(PLATFORMS); do \
	  echo "build $$p"; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -trimpath -o /dev/null ./cmd/rollcall || exit 1; \
	done

windows-test:
	@$(MAKE) --no-print-directory installed PACKAGES="gcc-mingw-w64-x86-64 jq wine64" COMMANDS=
	internal/wine/test.sh

attack: prepare
	ROLLCALL_ATTACK=1 ROLLCALL_SERVERS=required $(GO) test -count=1 -timeout 12h -run 'Killed|Kinds|TestSuite|TestConsole$$|BrokenLine|Dealing|TestFaults|FullDisk|Raced|Safe|NothingRead|AsSlapd|AlwaysAnswered|Publish|TestScimmy|OpenLDAP|389|Followed' ./cmd/rollcall ./apply ./state ./internal/console/postfix ./internal/console/scim ./internal/console/ldap ./internal/console/sql ./internal/render ./config ./internal/directory/ldif
	ROLLCALL_ATTACK=1 $(GO) test -count=1 -timeout 12h -run TestPartial ./plan
	$(GO) test -count=1 -timeout 12h -run 'TestProperties|TestConsoles|TestSelectionProperties|TestUndo|TestExplain' ./plan -args -properties.inputs 2400000 -explain.inputs 20000

# The database comes through the module proxy, and is indexed once; the scan then
# asks nobody. The version of Go counts, too: it is that of go.mod.
vulnerabilities: .tools/vulndb/$(VULNDB)
	GOBIN=$(CURDIR)/.tools $(GO) install $(GOVULNCHECK)
	GOTOOLCHAIN=$(TOOLCHAIN) .tools/govulncheck -db file://$(CURDIR)/.tools/vulndb/$(VULNDB) ./...

.tools/vulndb/$(VULNDB):
	GOBIN=$(CURDIR)/.tools $(GO) install golang.org/x/vulndb/cmd/indexdb@$(VULNDB)
	rm -rf $@.part && mkdir -p $@.part/osv
	cp "$$($(GO) env GOMODCACHE)/golang.org/x/vulndb@$(VULNDB)"/data/osv/*.json $@.part/osv/
	.tools/indexdb -vulns $@.part/osv -out $@.part/db
	mv $@.part/db $@ && rm -rf $@.part

bench:
	$(GO) test -run '^$$' -bench . -benchtime 3x ./plan ./state ./internal/directory/ldif ./internal/store/...
	$(GO) test -run '^$$' -bench Engine -benchtime 5x ./cmd/rollcall
	$(GO) run ./internal/bench
	ROLLCALL_SERVERS=required $(GO) test -count=1 -v -timeout 1h -run 'TestConsoleKindsMeasured' ./cmd/rollcall -args -kinds.measure 20000

fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg || exit 1; \
	  done; \
	done
