# `make test` installs what the tests need and runs them all; `make demo` shows the gateway at work.
# On Debian 12 as root everything is installed; else what is missing is named.

PYTHON ?= python3
VENV := .venv
BENCH ?= --rounds 3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
HYBRID := .peers/ircd-hybrid/usr/sbin/ircd-hybrid
SYNAPSE := .peers/synapse/bin/synapse_homeserver
STANZA := .peers/browser/stanza.js
JSSIP := .peers/browser/jssip.js

# Debian packages of the servers that the tests and the demo talk to, and the programs by which they are known.
APT := python3-venv git prosody lua-sec lua-unbound ejabberd inspircd atheme-services ngircd libltdl7 postgresql biboumi \
	unbound ldnsutils kamailio kamailio-presence-modules kamailio-websocket-modules sip-tester rtpengine-daemon baresip-core chromium \
	$(shell command -v npm >/dev/null || echo nodejs npm)
PROGRAMS := git prosody ejabberdctl erl inspircd atheme-services ngircd biboumi unbound ldns-signzone kamailio sipp \
	rtpengine baresip chromium node npm
# What a desktop client needs besides.
DESKTOP := dino-im gstreamer1.0-plugins-good gstreamer1.0-pulseaudio xvfb xdotool pulseaudio dbus-daemon libglib2.0-bin
APT_GET := DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: test test-dino install servers lint check demo demo-chat bench bench-federation bench-matrix bench-sip clean

test: install check
	@$(BIN)/python -m pytest

# Calls of a real desktop client. Not among the others: Dino 0.4's microphone and handshake fail now and then on a busy machine.
test-dino: install
	@dpkg -s $(DESKTOP) >/dev/null 2>&1 || { $(APT_GET) update && $(APT_GET) install $(DESKTOP); }
	@$(BIN)/python -m pytest tests/live/sip/dino_calls.py

install: servers $(SYNAPSE) $(STANZA) $(JSSIP) $(STAMP)

servers: $(HYBRID)
	@missing=; for program in $(PROGRAMS); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	ldd $(HYBRID) | grep -q 'not found' && missing="$$missing $$(ldd $(HYBRID) | awk '/not found/ {print $$1}')"; \
	for library in lunbound ssl; do ls /usr/lib/*/lua/5.*/$$library.so >/dev/null 2>&1 || missing="$$missing $$library.so"; done; \
	for module in presence websocket; do ls /usr/lib/*/kamailio/modules/$$module.so >/dev/null 2>&1 || missing="$$missing $$module.so"; done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  $(APT_GET) update && $(APT_GET) install $(APT); \
	else \
	  echo "missing:$$missing"; echo "as root: apt-get install --no-install-recommends $(APT)"; exit 1; \
	fi

# Debian's ircd-hybrid and ngircd exclude each other, so this one is unpacked, not installed.
$(HYBRID):
	@mkdir -p .peers
	@command -v apt-get >/dev/null || { echo "missing: ircd-hybrid, unpacked into .peers/ircd-hybrid"; exit 1; }
	@cd .peers && { apt-get -q download ircd-hybrid 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get -q update && apt-get -q download ircd-hybrid; } || \
	  { echo "missing: the package ircd-hybrid; as root: apt-get update"; exit 1; }; }
	@cd .peers && dpkg -x ircd-hybrid_*.deb ircd-hybrid && rm ircd-hybrid_*.deb && touch ../$@

# A homeserver of its own, in a virtual environment that nothing else uses.
$(SYNAPSE):
	@$(PYTHON) -m venv .peers/synapse
	@.peers/synapse/bin/python -m pip install -q --disable-pip-version-check 'matrix-synapse==1.163.0' psycopg2-binary
	@touch $@

# Clients' libraries for pages, each in one file.
$(STANZA): | servers
	@mkdir -p $(@D)
	@cd $(@D) && npm install --silent --no-audit --no-fund --prefix . stanza@12.22.1 esbuild@0.28.2 events@3.3.0
	@cd $(@D) && echo "import * as XMPP from 'stanza'; window.XMPP = XMPP" >entry.js && \
	  node_modules/.bin/esbuild entry.js --bundle --platform=browser --format=iife --define:global=window \
	  --log-level=error --outfile=stanza.tmp.js && mv stanza.tmp.js stanza.js

$(JSSIP): | $(STANZA)
	@cd $(@D) && npm install --silent --no-audit --no-fund --prefix . jssip@3.13.8
	@cd $(@D) && echo "import JsSIP from 'jssip'; window.JsSIP = JsSIP" >phone.js && \
	  node_modules/.bin/esbuild phone.js --bundle --platform=browser --format=iife --define:global=window \
	  --log-level=error --outfile=jssip.tmp.js && mv jssip.tmp.js jssip.js

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

lint: $(STAMP) check

check:
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# An IRC server, a telephone, an XMPP server and the gateway in ./.demo, until Ctrl-C; `make demo-chat` opens a client to it.
demo: install
	@$(BIN)/python -m tests.demo serve

demo-chat: $(STAMP)
	@$(BIN)/python -m tests.demo chat

# Both gateways with and without archive, in one interleaved run. BENCH="--quickack --rounds 5" adds options.
bench: $(STAMP)
	@command -v biboumi >/dev/null || { echo "missing: biboumi; as root: apt-get install --no-install-recommends biboumi"; exit 1; }
	@$(BIN)/python tests/bench/bench.py $(BENCH) \
	  --gateway 'xmppbridge-noarchive=$(CURDIR)/$(BIN)/python {BENCH_DIR}/gw_xmppbridge.py --noarchive' \
	  --gateway 'biboumi-noarchive=$(CURDIR)/$(BIN)/python {BENCH_DIR}/gw_biboumi.py --noarchive' \
	  --gateway 'xmppbridge=$(CURDIR)/$(BIN)/python {BENCH_DIR}/gw_xmppbridge.py' \
	  --gateway 'biboumi=$(CURDIR)/$(BIN)/python {BENCH_DIR}/gw_biboumi.py'

# The bridge as a server among servers, Prosody and ejabberd beside it. FEDERATION="--rows c2c --runs 5" chooses.
bench-federation: install
	@$(BIN)/python -m tests.bench.federation $(FEDERATION)

# Between a real Synapse and Prosody. MATRIX="--rows crowd --members 2000" chooses; "--gateways matridge --rate 3": of matridge 0.3.3 in the PATH.
bench-matrix: install
	@$(BIN)/python -m tests.bench.matrix $(MATRIX)

# Calls by sipp through the whole bridge, its XMPP users taking them at once. SIP="--rtpengine --held 0" chooses.
bench-sip: install
	@$(BIN)/python -m tests.bench.sip
	@$(BIN)/python -m tests.bench.sip.registrations
	@$(BIN)/python -m tests.bench.sip.whole $(SIP)

clean:
	rm -rf $(VENV) .peers .demo
