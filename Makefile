# `make run` and `make test` need only Python 3.11 or later; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin

# Installs one requirements file, unless the copy of it in .venv is the same.
define install
@$(PYTHON) -c 'import sys; sys.exit("Stocky needs Python 3.11 or later" if sys.version_info < (3, 11) else 0)'
@cmp -s $(1) .venv/$(1) || { \
	echo "Installing $(1) into .venv" && \
	$(PYTHON) -m venv .venv && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
	cp $(1) .venv/$(1); }
endef

# Programs that make clients from the OpenAPI document, apart from Stocky and its tests.
CLIENTS := .venv/clients
NODE_CLIENTS := tests/openapi/clients

.PHONY: help run test browser clients bench bench-quick faults lint words screenshots requirements

help: ## print this list
	@sed -n 's/^\([a-z-]*\): *## /make \1\t/p' Makefile | expand -t 20

run: ## serve with demo data on http://127.0.0.1:8000
	$(call install,requirements.txt)
	@$(BIN)/python -m stocky migrate
	@$(BIN)/python -m stocky demo-data
	@$(BIN)/python -m stocky serve

test: ## run all tests, on SQLite and on every Postgres that answers
	$(call install,requirements-test.txt)
	$(BIN)/python -m pytest

browser: ## install what `make test` needs to test the pages in a browser, besides chromium
	$(call install,requirements-test.txt)
	$(call install,requirements-browser.txt)

clients: ## install what `make test` needs to test generated clients, besides Node.js and npm
	$(call install,requirements-test.txt)
	@cmp -s requirements-clients.txt $(CLIENTS)/requirements-clients.txt || { \
		echo "Installing requirements-clients.txt into $(CLIENTS)" && \
		$(BIN)/python -m venv $(CLIENTS) && \
		$(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-clients.txt && \
		cp requirements-clients.txt $(CLIENTS)/; }
	@if ! command -v npm >/dev/null; then echo "No npm here: no TypeScript client is tested"; \
	elif ! cmp -s $(NODE_CLIENTS)/package-lock.json $(CLIENTS)/installed.json; then \
		echo "Installing $(NODE_CLIENTS)/package-lock.json into $(CLIENTS)" && \
		cp $(NODE_CLIENTS)/package.json $(NODE_CLIENTS)/package-lock.json $(CLIENTS)/ && \
		(cd $(CLIENTS) && npm ci --silent --ignore-scripts --no-audit --no-fund) && \
		cp $(NODE_CLIENTS)/package-lock.json $(CLIENTS)/installed.json; fi

bench: ## measure speed side by side with yardsticks
	$(call install,requirements-test.txt)
	$(BIN)/python -m tests.benchmarks

bench-quick: ## compare the speed of this tree with AGAINST=<commit>, in less than five minutes
	$(call install,requirements-test.txt)
	$(BIN)/python -m tests.benchmarks.quick $(if $(AGAINST),--against $(AGAINST))

faults: ## kill the server repeatedly and check that no data is lost
	$(call install,requirements-test.txt)
	$(BIN)/python -m tests.faults

lint: ## check style and types
	$(call install,requirements-test.txt)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

words: ## add new texts of the pages to the translations
	$(call install,requirements-test.txt)
	$(BIN)/python -m tests.pages.update_words

screenshots: ## take pictures of every page, in docs/screenshots
	$(call install,requirements-test.txt)
	$(call install,requirements-browser.txt)
	$(BIN)/python -m tests.pages.screenshots

COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url

# What the container has besides the core.
EXTRAS = --extra postgres --extra camera --extra notices --extra mqtt --extra encryption

requirements: ## pin the newest versions pyproject.toml allows (needs uv and npm)
	$(COMPILE) pyproject.toml --upgrade $(EXTRAS) -o requirements.txt
	$(COMPILE) pyproject.toml --upgrade $(EXTRAS) --extra test --constraint requirements.txt -o requirements-test.txt
	$(COMPILE) pyproject.toml --upgrade --extra browser --constraint requirements-test.txt -o requirements-browser.txt
	$(COMPILE) --upgrade --group clients -o requirements-clients.txt
	cd $(NODE_CLIENTS) && npm update --package-lock-only --omit-lockfile-registry-resolved
