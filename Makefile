# Herald - build, test, install. `make help` lists the targets.

VERSION	:= 0.1.0
PREFIX	?= /usr/local
DESTDIR	?=
CC	?= cc
CFLAGS	?= -O2 -g
LDFLAGS	?=
V	?= 0
Q	:= $(if $(filter 1,$(V)),,@)
SUDO	:= $(if $(filter 0,$(shell id -u)),,sudo)
# For makes within: all processors, unless -j was given.
JOBS	= $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
# One build of the tests at a time, whatever is asked for at once: they share objects.
ALONE	= mkdir -p build && flock build/asan.lock

# A variant keeps its objects apart: build/release, build/asan, ...
VARIANT	?= release
B	:= build/$(VARIANT)

WARN	:= -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wwrite-strings -Wpointer-arith -Wvla
SAN_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
SAN_coverage := --coverage -O0

ROOMS	:= lib kube arp bgp ipvs controller speaker ctl
PROGRAMS := herald-controller herald-speaker heraldctl
PKGS	:= libcurl libcjson libnl-3.0 libnl-genl-3.0 libnl-route-3.0 yaml-0.1 \
	   libmicrohttpd libnftables libcrypto libcap-ng
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS))
PKG_LIBS = $(shell pkg-config --libs $(PKGS)) -lev -lpthread -lm

ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -I. -DHERALD_VERSION='"$(VERSION)"' $(WARN) \
	     $(PKG_CFLAGS) -MMD -MP -fstack-protector-strong $(CFLAGS) $(SAN_$(VARIANT))
ALL_LDFLAGS = $(LDFLAGS) $(SAN_$(VARIANT))

obj	= $(patsubst %.c,$(B)/%.o,$(1))
srcs	= $(filter-out %/main.c,$(wildcard $(1)/*.c))
ARCHIVES := $(foreach r,$(ROOMS),$(if $(call srcs,$(r)),$(B)/$(r).a))

# Which rooms a program is made of, callers first, for the linker's sake.
ROOMS_herald-controller := controller kube lib
ROOMS_herald-speaker := speaker kube arp bgp ipvs lib
ROOMS_heraldctl := ctl controller kube lib
MAIN_herald-controller := controller
MAIN_herald-speaker := speaker
MAIN_heraldctl := ctl

# Only programs whose main is there.
BUILT	:= $(foreach p,$(PROGRAMS),$(if $(wildcard $(MAIN_$(p))/main.c),$(p)))
BINS	:= $(BUILT:%=$(B)/%)

TESTS	:= $(patsubst tests/%.c,$(B)/tests/%,$(foreach r,$(ROOMS),$(wildcard tests/$(r)/*_test.c)))
# The seeds of each fuzz target, through it.
REPLAYS	:= $(patsubst tests/%_fuzz.c,$(B)/tests/%_replay,$(wildcard tests/fuzz/*_fuzz.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help deps check asan test lab kube demo fuzz coverage bench lint format \
	install uninstall dist image clean

all: $(BINS)

help:
	@echo "Herald $(VERSION). Targets:"
	@sed -n 's/^## \([A-Za-z-]*\): */  \1	/p' Makefile | expand -t 14
	@echo "Variables: PREFIX DESTDIR CC CFLAGS LDFLAGS V=1 VARIANT=release|asan|coverage"

define program
$(B)/$(1): $(B)/$(MAIN_$(1))/main.o $(foreach r,$(ROOMS_$(1)),$(if $(call srcs,$(r)),$(B)/$(r).a))
	@echo "  LINK  $$@"
	$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach p,$(BUILT),$(eval $(call program,$(p))))

define archive
$(B)/$(1).a: $(call obj,$(call srcs,$(1)))
	@echo "  AR    $$@"
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call archive,$(r))))

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# A test file is a program: it is linked with what its room may use, no more.
NEEDS_lib := lib
NEEDS_kube := kube lib
NEEDS_arp := arp lib
NEEDS_bgp := bgp lib
NEEDS_ipvs := ipvs lib
NEEDS_controller := controller kube lib
NEEDS_speaker := speaker kube arp bgp ipvs lib
NEEDS_ctl := ctl controller kube lib
define test_room
$(B)/tests/$(1)/%: $(B)/tests/$(1)/%.o $(foreach r,$(NEEDS_$(1)),$(if $(call srcs,$(r)),$(B)/$(r).a))
	@echo "  LINK  $$@"
	$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) $$(shell pkg-config --libs check)

.PHONY: unit-$(1) run-$(1)
unit-$(1):
	$(Q)$$(ALONE) $$(MAKE) $$(JOBS) --no-print-directory VARIANT=asan run-$(1)
run-$(1): $(filter $(B)/tests/$(1)/%,$(TESTS))
	$(Q)tests/run.sh $$^
endef
$(foreach r,$(ROOMS),$(eval $(call test_room,$(r))))

# A fuzz target is of the room that its name begins with.
define replay_room
$(B)/tests/fuzz/$(1)_%_replay: $(B)/tests/fuzz/$(1)_%_fuzz.o $(B)/tests/fuzz/replay_test.o $(foreach r,$(NEEDS_$(1)),$(if $(call srcs,$(r)),$(B)/$(r).a))
	@echo "  LINK  $$@"
	$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) $$(shell pkg-config --libs check)
endef
$(foreach r,$(ROOMS),$(eval $(call replay_room,$(r))))

-include $(shell find $(B) -name '*.d' 2>/dev/null)

## all: build the three programs into build/release
## deps: install the Debian packages that building and testing need
deps:
	@deploy/deps.sh

## check: unit tests under ASan and UBSan, fuzz targets' seeds with them
check:
	$(Q)$(ALONE) $(MAKE) $(JOBS) --no-print-directory VARIANT=asan run-tests
asan: check
## unit-ROOM: the unit tests of one room (unit-lib, unit-bgp, ...), likewise

.PHONY: run-tests
run-tests: $(TESTS) $(REPLAYS) $(BINS)
	$(Q)tests/run.sh $(TESTS) $(REPLAYS)

## test: set up this machine, then check, lint and lab
test: deps
	$(Q)$(MAKE) --no-print-directory lint
	$(Q)$(MAKE) --no-print-directory check
	$(Q)$(MAKE) $(JOBS) --no-print-directory lab

## lab: data-plane and failover tests with packets, in a virtual machine
lab: all
	$(Q)MAKEFLAGS= tests/lab/all.sh

## lab-long: the lab again for IPv6, and what takes long (connection sync, many VIPs, endpoints, TLS)
.PHONY: lab-long
lab-long: all
	$(Q)MAKEFLAGS= tests/lab/all.sh long

## kube: tests against a real Kubernetes API server
kube: all
	$(Q)tests/kube/run.sh

## kube-next: our resources and client on what Debian sid has of a new Kubernetes
.PHONY: kube-next
kube-next:
	$(Q)tests/kube/next.sh

## node: the image and the manifests on a real kubelet and containerd
.PHONY: node version
node: deps
	$(Q)tests/kube/node.sh
version:
	@echo $(VERSION)

## interop: BGP and BFD against BIRD, FRR, GoBGP and OpenBGPD (root)
.PHONY: interop
interop: $(B)/tests/bgp/bgp_peer_tool $(B)/tests/bgp/bfd_peer
	$(Q)tests/bgp/interop.sh $(B)/tests/bgp

## probes: health probes against real HTTP, TLS, gRPC and DNS servers
.PHONY: probes
probes: $(B)/tests/ipvs/probe_tool
	$(Q)/usr/bin/python3 tests/ipvs/probes.py $<

## demo: see a Service get its address, be reached, and survive a dead node
demo: deps
	$(Q)$(MAKE) $(JOBS) --no-print-directory all
	$(Q)tests/lab/run.sh --demo

## lint: the arrows between rooms, shell scripts, formatting of text
lint:
	$(Q)tests/lint.sh
	$(Q)tests/lint_test.sh

## format: clang-format over all C files
format:
	clang-format -i $(foreach r,$(ROOMS),$(wildcard $(r)/*.[ch] tests/$(r)/*.[ch]))

## fuzz: run every fuzz target for FUZZ_SEC seconds (10) from its seeds
FUZZ_SEC ?= 10
fuzz:
	$(Q)tests/fuzz/run.sh $(FUZZ_SEC)

## coverage: line coverage of the unit tests
coverage:
	$(Q)$(MAKE) --no-print-directory VARIANT=coverage run-tests
	$(Q)tests/coverage.sh build/coverage

## bench: measure, beside other software in the same run (ONLY="SECTION...")
bench: all
	$(Q)tests/bench/run.sh $(ONLY)

MAN8	= $(wildcard controller/*.8 speaker/*.8 ctl/*.8)
MAN5	= $(wildcard deploy/*.5 kube/*.5)

## install: programs and manuals under PREFIX (/usr/local)
install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin \
		$(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(B)/herald-controller $(B)/herald-speaker $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(B)/heraldctl $(DESTDIR)$(PREFIX)/bin/
	$(if $(MAN8),install -m 644 $(MAN8) $(DESTDIR)$(PREFIX)/share/man/man8/)

## uninstall: what install put there
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/herald-controller $(DESTDIR)$(PREFIX)/sbin/herald-speaker \
		$(DESTDIR)$(PREFIX)/bin/heraldctl \
		$(foreach m,$(MAN8),$(DESTDIR)$(PREFIX)/share/man/man8/$(notdir $(m)))

## dist: a source archive
dist:
	git archive --prefix=herald-$(VERSION)/ -o herald-$(VERSION).tar.gz HEAD

## image: the container image herald:VERSION (needs docker, podman or buildah)
image:
	$(Q)deploy/image.sh $(VERSION)

## clean: remove build/
clean:
	rm -rf build
