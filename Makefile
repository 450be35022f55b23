# The front door.  A bare Debian 12 needs git and make; tools/need installs the rest once.
BUILD ?= build

.PHONY: all need install-deps models demo test test-long gate gate-quick bench bench-peers experiments fuzz cover \
        install uninstall deb reproducible format clean

all: need
	@tools/build $(BUILD)

need:
	@tools/need build

install-deps:
	@tools/need build gate

models: all
	@tools/models $(BUILD)

demo: all
	@tools/demo $(BUILD)

test: all
	@tools/models $(BUILD)
	@tools/run-tests $(BUILD)

test-long: all
	@tools/models $(BUILD)
	@RUNG_TEST_LONG=1 tools/run-tests $(BUILD) --timeout-multiplier 10

gate-quick:
	@tools/need build gate
	@tools/gate quick

gate:
	@tools/need build gate
	@tools/gate full

bench: all
	@tools/bench $(BUILD) $(if $(RECORD),--record)

bench-peers: all
	@tools/need build peers
	@tools/bench-peers $(BUILD) $(MODELS) $(if $(WRITE),--write)

experiments: all
	@tools/models $(BUILD)
	@tools/experiments $(BUILD)
	@tools/price-of-search $(BUILD)

fuzz:
	@tools/need build gate
	@tools/fuzz

cover:
	@tools/need build cover
	@tools/cover

install: all
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install $(BUILD)

uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install $(BUILD) --uninstall

deb:
	@tools/need build deb
	@tools/deb

reproducible:
	@tools/need build
	@tools/check-reproducible

format:
	@tools/check-format --fix

clean:
	rm -rf build build-*
